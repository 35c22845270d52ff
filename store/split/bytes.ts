/** Bytes that are put together. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(4096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** An integer from 0 to 2^53 - 1, seven bits a byte, the lowest first; all but the last have the highest bit set. */
  varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#length++] = rest;
  }

  put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What was put together, until more is added. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const bytes = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + more));
    bytes.set(this.bytes());
    this.#bytes = bytes;
  }
}

/** Bytes that are taken apart. What is malformed throws the error that `malformed` makes of a few words. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #malformed: (what: string) => Error;
  #at = 0;

  constructor(bytes: Buffer, malformed: (what: string) => Error) {
    this.#bytes = bytes;
    this.#malformed = malformed;
  }

  /** Reads what {@link ByteWriter.varint} wrote; a number has one form only. */
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw this.#malformed('a number that is too large');
      if (byte >= 0x80) continue;
      if (byte === 0 && scale > 1) throw this.#malformed('a number in a longer form');
      return value;
    }
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  /** The next bytes, a view. */
  take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw this.#malformed('an end before its time');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Makes sure that nothing is left. */
  end(): void {
    if (this.#at < this.#bytes.length) throw this.#malformed('bytes after the end');
  }
}
