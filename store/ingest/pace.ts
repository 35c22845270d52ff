/**
 * How many bytes are hashed before the state is saved again, by default. Hashing 64 MiB takes 40 ms; a sync takes 5 to
 * 20 ms of the disk's time while it is written to at full speed.
 */
export const CHECKPOINT_STEP = 64 << 20;

/** And how much time, in milliseconds, may pass: of a slow transfer a power cut takes no more than that. */
const INTERVAL = 5000;

/** When the state of a hash is to be saved while it is written. */
export class Pace {
  readonly #step: number;
  #offset = 0;
  #time: number;

  /** `step` in bytes; Infinity: never while it is written. */
  constructor(step: number, now = performance.now()) {
    this.#step = step;
    this.#time = now;
  }

  /** Whether it is time to save the state after `offset` bytes. */
  isDue(offset: number, now = performance.now()): boolean {
    this.#offset = Math.min(this.#offset, offset);
    const grown = offset - this.#offset;
    return grown >= this.#step || (grown > 0 && now - this.#time >= INTERVAL && this.#step < Infinity);
  }

  /** Tells that the state after `offset` bytes is being saved. */
  taken(offset: number, now = performance.now()): void {
    this.#offset = offset;
    this.#time = now;
  }
}
