/** Where we are in a stream that comes in chunks, and what of it was not passed on as raw bytes yet. */
export class Cursor {
  #chunk: Buffer = Buffer.alloc(0);
  /** Of the chunk in the stream. */
  #start = 0;
  #at = 0;
  /** From here to `#at` are raw bytes that were not passed on. */
  #rawFrom = 0;

  /** Where something is put together that came in pieces. */
  #pieces: Buffer = Buffer.alloc(0);
  #held = 0;

  /** What {@link gather} found: `need` bytes from `from` in `bytes`, valid until the next call. */
  bytes: Buffer = this.#pieces;
  from = 0;

  /** In the stream. */
  get offset(): number {
    return this.#start + this.#at;
  }

  get atEnd(): boolean {
    return this.#at === this.#chunk.length;
  }

  /** Whether a part of something that is being gathered is here. */
  get holds(): boolean {
    return this.#held > 0;
  }

  /** Goes to the beginning of the next chunk. The last one must be at its end and its raw bytes taken. */
  begin(chunk: Buffer): void {
    this.#start += this.#at;
    this.#chunk = chunk;
    this.#at = 0;
    this.#rawFrom = 0;
  }

  /** Goes on by at most `size` bytes; gives how many it were. */
  skip(size: number): number {
    const step = Math.min(size, this.#chunk.length - this.#at);
    this.#at += step;
    return step;
  }

  /** The raw bytes that were not passed on; undefined where there are none. */
  raw(): Buffer | undefined {
    if (this.#at === this.#rawFrom) return undefined;
    const bytes = this.#view(this.#rawFrom);
    this.#rawFrom = this.#at;
    return bytes;
  }

  /** At most `size` bytes from here, which are not raw. All raw bytes must have been taken. */
  data(size: number): Buffer {
    const from = this.#at;
    this.skip(size);
    this.#rawFrom = this.#at;
    return this.#view(from);
  }

  /**
   * Goes on by `need` bytes. False where the chunk ends before; then it must be called again with the next one. They
   * are used where they stand, and copied only if they come in pieces.
   */
  gather(need: number): boolean {
    const from = this.#at;
    if (this.#held === 0 && this.#chunk.length - from >= need) {
      this.#at += need;
      this.bytes = this.#chunk;
      this.from = from;
      return true;
    }
    if (this.#held === 0 && this.#pieces.length !== need) this.#pieces = Buffer.allocUnsafe(need);
    const step = this.skip(need - this.#held);
    this.#chunk.copy(this.#pieces, this.#held, from, from + step);
    this.#held += step;
    if (this.#held < need) return false;
    this.#held = 0;
    this.bytes = this.#pieces;
    this.from = 0;
    return true;
  }

  #view(from: number): Buffer {
    const whole = from === 0 && this.#at === this.#chunk.length;
    return whole ? this.#chunk : this.#chunk.subarray(from, this.#at);
  }
}
