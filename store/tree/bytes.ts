import { CasError } from '../errors.js';
import type { ByteText } from '../tar/entry.js';

/** The error for bytes that no version of the encoder writes. */
export function damaged(reason: string): CasError {
  return new CasError('LAYER_DAMAGED', { subject: `tree node: ${reason}` });
}

/** Collects bytes. Whole numbers are LEB128: seven bits a byte, lowest first, in as few bytes as possible. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(4096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** @param value 0 to 2^53 - 1 */
  uint(value: number): void {
    this.#reserve(8);
    let rest = value;
    for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 128;
    for (; rest > 127; rest >>>= 7) this.#bytes[this.#length++] = (rest & 127) | 128;
    this.#bytes[this.#length++] = rest;
  }

  raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Bytes with their number before them. */
  blob(bytes: Buffer): void {
    this.uint(bytes.length);
    this.raw(bytes);
  }

  /** Text with its length before it. */
  text(text: ByteText): void {
    this.uint(text.length);
    this.#append(text);
  }

  /** A name of at most 255 bytes, with its length before it in one byte. */
  name(name: ByteText): void {
    this.byte(name.length);
    this.#append(name);
  }

  /** What was written since the last call of `clear`, valid until the next write. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #append(text: ByteText): void {
    this.#reserve(text.length);
    this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  #reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Reads what a {@link ByteWriter} wrote; every method throws LAYER_DAMAGED where the bytes end too early. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #position: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  get position(): number {
    return this.#position;
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#end - this.#position;
  }

  byte(): number {
    return this.#bytes[this.skip(1)] ?? 0;
  }

  uint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (!Number.isSafeInteger(value)) throw damaged('a number is too large');
      if (byte >= 128) continue;
      if (byte === 0 && factor > 1) throw damaged('a number is longer than it needs to be');
      return value;
    }
  }

  /** Moves on and says where it was. */
  skip(size: number): number {
    if (size > this.left) throw damaged('it ends too early');
    const start = this.#position;
    this.#position += size;
    return start;
  }

  /** A copy, so that what is read holds no node in memory. */
  raw(size: number): Buffer {
    const start = this.skip(size);
    return Buffer.from(this.#bytes.subarray(start, start + size));
  }

  blob(): Buffer {
    return this.raw(this.uint());
  }

  text(): ByteText {
    const size = this.uint();
    const start = this.skip(size);
    return this.#bytes.toString('latin1', start, start + size);
  }

  /** @throws CasError LAYER_DAMAGED where bytes are left */
  finish(): void {
    if (this.left > 0) throw damaged('it has bytes at its end');
  }
}
