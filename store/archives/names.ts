import { posix } from 'node:path';
import { CasError } from '../errors.js';
import { safeJson } from '../json.js';
import { pathOf } from './archive-files.js';

/** Links that are followed at most, as Linux does. */
const LINKS = 40;

/** The files of an archive by their paths, and links among them. */
export class Names<T> {
  readonly #files = new Map<string, T>();
  readonly #links = new Map<string, string>();

  /** @throws CasError ARCHIVE_INVALID for a second file of a name: readers do not agree which counts */
  add(name: string, file: T): void {
    this.#checkNew(name);
    this.#files.set(name, file);
  }

  /**
   * Adds a link: the target of a symbolic one begins where it stands, that of a hard one at the root.
   * @throws CasError ARCHIVE_INVALID where it leads out of the archive
   */
  link(name: string, target: string, type: 'symlink' | 'link'): void {
    this.#checkNew(name);
    const fromRoot = type === 'link' || target.startsWith('/');
    this.#links.set(name, pathOf(fromRoot ? target : posix.join(posix.dirname(name), target)));
  }

  /** Whether a name leads to a file. */
  has(name: string): boolean {
    return this.#files.has(this.path(name));
  }

  get(name: string): T | undefined {
    return this.#files.get(this.path(name));
  }

  /** The path that a name stands for. @throws CasError ARCHIVE_INVALID */
  path(name: string): string {
    let path = pathOf(name);
    for (let followed = 0; followed < LINKS; followed++) {
      const target = this.#links.get(path);
      if (target === undefined) return path;
      path = target;
    }
    throw new CasError('ARCHIVE_INVALID', { subject: safeJson(name), found: 'a loop of links' });
  }

  #checkNew(name: string): void {
    if (this.#files.has(name) || this.#links.has(name))
      throw new CasError('ARCHIVE_INVALID', { subject: safeJson(name), found: 'the name twice' });
  }
}
