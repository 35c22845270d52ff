import { CasError } from '../errors.js';
import { nameIn, parentOf } from '../ref.js';
import type { Ingest } from './ingest.js';

/** What a name under `ingest/` leads to: an ingest, or a directory given by its path. */
export type Named = Ingest | 'directory';

/**
 * The tree of names: which directories there are and what is in them. A directory exists because it was made
 * or because something is in it. Paths are refs; the two roots are `''` (`ingest/`) and `/` (the mount).
 */
export class Names {
  readonly #directories = new Map<string, Map<string, Named>>([
    ['', new Map()],
    ['/', new Map()],
  ]);

  get(path: string): Named | undefined {
    return this.#directories.has(path)
      ? 'directory'
      : this.#directories.get(parentOf(path))?.get(nameIn(path));
  }

  /** What is in a directory; empty for one that is not there. */
  children(directory: string): ReadonlyMap<string, Named> {
    return this.#directories.get(directory) ?? new Map();
  }

  /** Adds a name and the directories above it. */
  set(path: string, named: Named): void {
    if (named === 'directory') {
      if (this.#directories.has(path)) return;
      this.#directories.set(path, new Map());
    }
    const parent = parentOf(path);
    if (!this.#directories.has(parent)) this.set(parent, 'directory');
    this.#directories.get(parent)?.set(nameIn(path), named);
  }

  /**
   * Removes a name.
   * @throws CasError DIRECTORY_NOT_EMPTY
   */
  delete(path: string): void {
    const children = this.#directories.get(path);
    if (children !== undefined && children.size > 0) {
      throw new CasError('DIRECTORY_NOT_EMPTY', { subject: path, found: `${children.size} names` });
    }
    this.#directories.delete(path);
    this.#directories.get(parentOf(path))?.delete(nameIn(path));
  }

  /** All ingests, in no particular order. */
  *ingests(): Generator<Ingest> {
    for (const children of this.#directories.values()) {
      for (const named of children.values()) if (named !== 'directory') yield named;
    }
  }
}
