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
  /** When a name in each last came or went, in milliseconds since the epoch. */
  readonly #touched = new Map<string, number>();

  get(path: string): Named | undefined {
    return this.#directories.has(path)
      ? 'directory'
      : this.#directories.get(parentOf(path))?.get(nameIn(path));
  }

  /** What is in a directory; empty for one that is not there. */
  children(directory: string): ReadonlyMap<string, Named> {
    return this.#directories.get(directory) ?? new Map();
  }

  /** Adds a name and the directories above it. `since` is when a directory came to be. */
  set(path: string, named: Named, since = Date.now()): void {
    if (named === 'directory') {
      if (this.#directories.has(path)) return;
      this.#directories.set(path, new Map());
      this.#touched.set(path, since);
    }
    const parent = parentOf(path);
    if (!this.#directories.has(parent)) this.set(parent, 'directory', since);
    this.#directories.get(parent)?.set(nameIn(path), named);
    this.#touched.set(parent, Math.max(since, this.#touched.get(parent) ?? 0));
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
    this.#touched.delete(path);
    const parent = parentOf(path);
    this.#directories.get(parent)?.delete(nameIn(path));
    if (this.#directories.has(parent)) this.#touched.set(parent, Date.now());
  }

  /** The empty directories, the longest paths first, with when a name in each last came or went. */
  empty(): { readonly path: string; readonly touched: number }[] {
    const empty = [...this.#directories].filter(([, children]) => children.size === 0).map(([path]) => path);
    return empty
      .sort((a, b) => b.length - a.length)
      .map((path) => ({ path, touched: this.#touched.get(path) ?? 0 }));
  }

  /** All ingests, in no particular order. */
  *ingests(): Generator<Ingest> {
    for (const children of this.#directories.values()) {
      for (const named of children.values()) if (named !== 'directory') yield named;
    }
  }
}
