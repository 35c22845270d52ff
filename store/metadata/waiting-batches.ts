import type { Operation } from './session.js';

/** Waiting batches are written together up to so many operations or bytes. */
const GROUP = { operations: 2000, bytes: 1 << 20 };

interface Waiting {
  readonly operations: readonly Operation[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Batches that wait to be written. Those that wait together share one write, and so its two syncs. */
export class WaitingBatches {
  #waiting: Waiting[] = [];

  /** Adds a batch; settles as the write does that it is part of. */
  add(operations: readonly Operation[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operations, resolve, reject });
    });
  }

  /** Has those that waited longest written, if any wait: of each key, what was last asked for. */
  async writeNext(write: (operations: readonly Operation[]) => Promise<void>): Promise<void> {
    const group = this.#take();
    if (group.length === 0) return;
    try {
      const operations = group.flatMap((waiting) => waiting.operations);
      const last = new Map(operations.map((operation) => [operation.key.toString('latin1'), operation]));
      await write([...last.values()]);
      for (const { resolve } of group) resolve();
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  #take(): Waiting[] {
    let [operations, bytes, count] = [0, 0, 0];
    for (const waiting of this.#waiting) {
      operations += waiting.operations.length;
      for (const { key, value } of waiting.operations) bytes += key.length + (value?.length ?? 0);
      if (count > 0 && (operations > GROUP.operations || bytes > GROUP.bytes)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}
