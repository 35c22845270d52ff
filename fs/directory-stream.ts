import { constants } from 'node:fs';
import type { DirEntry, Name, Node } from './node.js';

/** Takes an entry and the offset after it; false when it no longer fits. */
export type Accept = (entry: DirEntry, next: number) => boolean;

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
    if (this.#batches === undefined || offset !== this.#position) await this.#restart(offset, ino);
    for (;;) {
      if (this.#taken === this.#batch.length && !(await this.#refill())) return;
      const entry = this.#batch[this.#taken];
      if (entry === undefined) return;
      if (entry.hidden !== true && !accept(entry, this.#position + 1)) return;
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
    if (offset >= 2 && this.node.entriesFrom !== undefined) {
      this.#batches = this.node.entriesFrom(offset - 2)[Symbol.asyncIterator]();
      this.#batch = [];
      this.#taken = 0;
      this.#position = offset;
      return;
    }
    const entries = this.node.entries?.() ?? this.node.entriesFrom?.(0) ?? [];
    this.#batches =
      Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]();
    this.#batch = [
      { name: '.' as Name, ino, type: constants.S_IFDIR },
      { name: '..' as Name, ino, type: constants.S_IFDIR },
    ];
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
