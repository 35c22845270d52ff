import { type Accept, dots, listBatches } from './list-batches.js';
import type { DirEntry, Node } from './node.js';

export type { Accept };

/**
 * An open directory. Offsets count entries from 1, `.` and `..` first. Reading on from where the last call
 * stopped costs nothing extra; any other offset starts over and skips (seekdir(3), NFS re-export), unless the node can
 * begin in the middle.
 */
export class DirectoryStream {
  readonly node: Node;
  #batches: AsyncIterator<readonly DirEntry[]> | Iterator<readonly DirEntry[]> | undefined;
  #batch: readonly DirEntry[] = [];
  #taken = 0;
  #position = 0;

  constructor(node: Node) {
    this.node = node;
  }

  /** Offers entries from `offset` on to `accept` until it declines or the directory ends. */
  async read(offset: number, ino: number, accept: Accept): Promise<void> {
    if (this.node.batch !== undefined) return listBatches(this.node, ino, offset, accept);
    if (this.#batches === undefined || offset !== this.#position) await this.#restart(offset, ino);
    for (;;) {
      if (this.#taken === this.#batch.length && !(await this.#refill())) return;
      const entry = this.#batch[this.#taken];
      if (entry === undefined || !accept(entry, this.#position + 1)) return;
      this.#taken++;
      this.#position++;
    }
  }

  async close(): Promise<void> {
    await this.#batches?.return?.();
    this.#batches = undefined;
  }

  async #restart(offset: number, ino: number): Promise<void> {
    await this.close();
    const entries = this.node.entries?.() ?? [];
    this.#batches =
      Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]();
    this.#batch = dots(ino);
    this.#taken = 0;
    this.#position = 0;
    while (this.#position < offset) {
      const step = Math.min(offset - this.#position, this.#batch.length - this.#taken);
      this.#taken += step;
      this.#position += step;
      if (this.#taken === this.#batch.length && this.#position < offset && !(await this.#refill())) return;
    }
  }

  async #refill(): Promise<boolean> {
    do {
      const next = await this.#batches?.next();
      if (next === undefined || next.done === true) return false;
      this.#batch = next.value;
    } while (this.#batch.length === 0);
    this.#taken = 0;
    return true;
  }
}
