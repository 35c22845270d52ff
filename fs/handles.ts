import { FsError } from './errors.js';

/** The number of an open file or directory in requests. */
export type HandleId = number;

/** Open files or directories by number. Numbers are not reused, so a stale one is always EBADF. */
export class Handles<T> {
  readonly #open = new Map<HandleId, T>();
  #next = 1;

  get size(): number {
    return this.#open.size;
  }

  add(handle: T): HandleId {
    const id = this.#next++;
    this.#open.set(id, handle);
    return id;
  }

  /** @throws FsError EBADF */
  get(id: HandleId): T {
    const handle = this.#open.get(id);
    if (handle === undefined) throw new FsError('EBADF', `no open handle ${id}`);
    return handle;
  }

  take(id: HandleId): T | undefined {
    const handle = this.#open.get(id);
    this.#open.delete(id);
    return handle;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#open.values();
  }
}
