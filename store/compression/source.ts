/** Bytes of one stream, chunk after chunk, with what was read but not used put back. */
export class Source {
  readonly #iterator: AsyncIterator<Buffer>;
  readonly #signal: AbortSignal | undefined;
  /** Fails the read that is under way. */
  #interrupt: (reason: unknown) => void = () => undefined;
  readonly #abort = (): void => this.#interrupt(this.#signal?.reason);
  #ahead: Buffer[] = [];
  #reading = false;

  constructor(chunks: AsyncIterable<Buffer>, signal?: AbortSignal) {
    this.#iterator = chunks[Symbol.asyncIterator]();
    this.#signal = signal;
    signal?.addEventListener('abort', this.#abort);
  }

  /** The next chunk, never empty; undefined at the end. @throws the reason of the abort, also while it waits */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      this.#signal?.throwIfAborted();
      const ahead = this.#ahead.shift();
      if (ahead) return ahead;
      const result = await this.#interruptible(this.#read());
      if (result.done) return undefined;
      if (result.value.length > 0) this.#ahead.push(result.value);
    }
  }

  /** The first `length` bytes, or all where there are fewer. They are read again afterwards. */
  async peek(length: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (let found = 0; found < length;) {
      const chunk = await this.next();
      if (!chunk) break;
      chunks.push(chunk);
      found += chunk.length;
    }
    this.#ahead = chunks;
    return Buffer.concat(chunks).subarray(0, length);
  }

  /** Lets the chunks go. Does not wait where a read is under way: it may never end. */
  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#ahead = [];
    const closed = this.#iterator.return?.();
    if (this.#reading) closed?.catch(() => undefined);
    else await closed;
  }

  async #read(): Promise<IteratorResult<Buffer, unknown>> {
    this.#reading = true;
    try {
      return await this.#iterator.next();
    } finally {
      this.#reading = false;
    }
  }

  /** A race with one promise for the abort would keep something of every read until the end. */
  #interruptible<T>(read: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      read.then(resolve, reject);
    });
  }
}
