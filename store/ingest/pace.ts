/**
 * How many bytes may be hashed until the state is saved again. Hashing 64 MiB takes 40 ms; a sync takes 5 to 20 ms of
 * the disk's time while it is written to at full speed.
 */
const STEP = 64 << 20;

/** And how much time, in milliseconds, may pass: of a slow transfer a power cut takes no more than that. */
const INTERVAL = 5000;

/** When the state of a hash is to be saved while it is written. */
export class Pace {
  #offset = 0;
  #time: number;

  constructor(now = performance.now()) {
    this.#time = now;
  }

  /** Whether it is time to save the state after `offset` bytes. */
  isDue(offset: number, now = performance.now()): boolean {
    this.#offset = Math.min(this.#offset, offset);
    const grown = offset - this.#offset;
    return grown >= STEP || (grown > 0 && now - this.#time >= INTERVAL);
  }

  /** Tells that the state after `offset` bytes is being saved. */
  taken(offset: number, now = performance.now()): void {
    this.#offset = offset;
    this.#time = now;
  }
}
