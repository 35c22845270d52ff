import type { Durability } from '../durability.js';

/** How much is written before its write-back is begun, so that the sync of a commit has little left to do. */
const STEP = 8 << 20;

/**
 * With more write-backs than this under way the disk is behind. The kernel may then hold a writer until it has caught
 * up, and that must not be the main thread.
 */
const AHEAD = 4;

/** The write-back of a file while it is written. */
export class WriteBack {
  readonly #durability: Durability;
  readonly #onFailure: (error: unknown) => void;
  readonly #underWay = new Set<Promise<unknown>>();
  #begun = 0;

  /** `onFailure` is told of errors, which are final: the kernel drops the pages it could not write. */
  constructor(durability: Durability, onFailure: (error: unknown) => void) {
    this.#durability = durability;
    this.#onFailure = onFailure;
  }

  /** Whether the disk is behind. */
  get isBehind(): boolean {
    return this.#underWay.size > AHEAD;
  }

  /** Tells that the file `fd` is written up to `end`. */
  wrote(fd: number, end: number): void {
    if (end - this.#begun < STEP) return;
    const writing = this.#durability
      .begin(fd, this.#begun, end - this.#begun)
      .catch(this.#onFailure)
      .finally(() => this.#underWay.delete(writing));
    this.#underWay.add(writing);
    this.#begun = end;
  }

  /** Tells that the file was cut to `size`. */
  wasCut(size: number): void {
    this.#begun = Math.min(this.#begun, size);
  }

  /** Settles when what is under way now is done. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}
