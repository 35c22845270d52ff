import type { Content } from './content.js';
import type { DataFile } from './data-file.js';
import type { Life } from './life.js';
import type { RecordKeeper } from './record-keeper.js';
import { Users } from './users.js';

/** What is kept of an ingest while somebody uses it. */
interface UsedParts {
  readonly life: Life;
  readonly file: DataFile;
  readonly keeper: RecordKeeper;
  readonly content: Content;
}

/** Who uses an ingest: its data file is open meanwhile, and what can be written down later is in memory. */
export class Usage {
  readonly #parts: UsedParts;
  readonly #users = new Users(() => void this.settle().catch(() => undefined));

  constructor(parts: UsedParts) {
    this.#parts = parts;
  }

  /** Whether nobody uses it. */
  get none(): boolean {
    return this.#users.none;
  }

  /** Keeps the data file open until {@link release}. */
  retain(): void {
    this.#users.add();
  }

  release(): void {
    this.#users.remove();
    if (!this.none) return;
    const { state } = this.#parts.life;
    if (state === 'open') this.#users.rest();
    else if (state !== 'sealed') this.#close().catch(() => undefined);
  }

  /** Keeps the data file open while something is done with it. */
  async using<T>(action: () => Promise<T>): Promise<T> {
    this.retain();
    try {
      return await action();
    } finally {
      this.release();
    }
  }

  /** Does not {@link settle} after the rest that has begun. */
  wake(): void {
    this.#users.wake();
  }

  /** Writes down what is only in memory and closes the data file, unless it is in use. */
  async settle(): Promise<void> {
    const { file, keeper, content } = this.#parts;
    this.wake();
    if (!this.#isIdle()) return;
    try {
      // An error of its sync is remembered.
      if (file.isLent) await content.rest().catch(() => undefined);
      if (!this.#isIdle()) return;
      await keeper.settle();
      if (this.#isIdle()) await keeper.writeTimes(file.updatedAt);
      // An error of its sync is remembered, and told by the next commit.
      if (this.#isIdle()) await content.checkpoint().catch(() => undefined);
    } finally {
      await content.settled();
      // The mode of a fresh one lets nobody but root open it for writing again.
      if (this.#isIdle()) await keeper.loosen();
      if (this.#isIdle()) await file.close();
    }
  }

  /** Closes the data file of an ingest that is committed or gone, now or when the last who uses it has left. */
  async end(): Promise<void> {
    if (this.none) await this.#close();
  }

  #close(): Promise<void> {
    return this.#parts.file.close(true);
  }

  /** Whether nobody has it open and nothing is done to it: only then may the data file be closed. */
  #isIdle(): boolean {
    return this.none && this.#parts.life.state === 'open';
  }
}
