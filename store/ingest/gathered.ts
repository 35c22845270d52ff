/** The largest write, in bytes, whose bytes are copied to be hashed with those of others. */
export const GATHERED = 128 << 10;

/** From so many bytes on, no more is waited for. */
const ENOUGH = 128 << 10;

/** For how many milliseconds more is waited for. A writer in a loop takes that long for a megabyte. */
const PATIENCE = 2;

/** How many buffers are kept: as many as may wait to be hashed. */
const KEPT = 16;

const spare: Buffer[] = [];

/**
 * Copies of writes that follow one another, to be hashed as one: io.Copy of Go writes 32 KiB at a time, and each trip to
 * the thread pool costs what hashing them does.
 */
export class Gathered {
  /** Settles when nothing more is to be waited for. */
  readonly complete: Promise<void>;
  readonly #buffer = spare.pop() ?? Buffer.allocUnsafeSlow(ENOUGH + GATHERED);
  #length = 0;
  #settle: () => void = () => undefined;
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.complete = new Promise((resolve) => (this.#settle = resolve));
    this.#timer = setTimeout(() => this.end(), PATIENCE);
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Takes a copy. Whether more can be added. */
  add(data: Uint8Array): boolean {
    this.#buffer.set(data, this.#length);
    this.#length += data.length;
    if (this.#length < ENOUGH) return true;
    this.end();
    return false;
  }

  /** Waits for no more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#settle();
  }

  /** Gives its memory to others; it must not be used any more. */
  free(): void {
    if (spare.length < KEPT) spare.push(this.#buffer);
  }
}
