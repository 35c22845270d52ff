/** The largest write, in bytes, whose bytes are copied to be hashed with those of others. */
export const GATHERED = 128 << 10;

/** How many bytes are gathered at most. */
const ROOM = 256 << 10;

/** How many buffers are kept: as many as may wait to be hashed. */
const KEPT = 16;

const spare: Buffer[] = [];

/**
 * Copies of writes that follow one another while an earlier piece is hashed, to be hashed as one: io.Copy of Go writes
 * 32 KiB at a time, and each trip to the thread pool costs what hashing them does.
 */
export class Gathered {
  readonly #buffer = spare.pop() ?? Buffer.allocUnsafeSlow(ROOM);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Whether there was room for it. */
  add(data: Uint8Array): boolean {
    if (this.#length + data.length > ROOM) return false;
    this.#buffer.set(data, this.#length);
    this.#length += data.length;
    return true;
  }

  /** Gives its memory to others; it must not be used any more. */
  free(): void {
    if (spare.length < KEPT) spare.push(this.#buffer);
  }
}
