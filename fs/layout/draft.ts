import { CasError } from '../../store/errors.js';
import { readBytes } from '../read-bytes.js';

/** The text of a file that is being written, in memory. */
export class Draft {
  readonly #limit: number;
  #bytes: Buffer;
  #size: number;

  /** Begins with a copy of `bytes`; at most `limit` bytes can be written. */
  constructor(bytes: Buffer, limit: number) {
    this.#bytes = Buffer.from(bytes);
    this.#size = bytes.length;
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  /** A copy of what is written so far. */
  get bytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#size));
  }

  read(into: Uint8Array, offset: number): number {
    return readBytes(this.#bytes.subarray(0, this.#size), into, offset);
  }

  /** @throws CasError INDEX_INVALID, errno EFBIG, beyond the limit */
  write(data: Uint8Array, offset: number): void {
    this.#reserve(offset + data.length);
    if (offset > this.#size) this.#bytes.fill(0, this.#size, offset);
    this.#bytes.set(data, offset);
    this.#size = Math.max(this.#size, offset + data.length);
  }

  /** Cuts it or fills it up with zeros. @throws as {@link write} */
  truncate(size: number): void {
    this.#reserve(size);
    if (size > this.#size) this.#bytes.fill(0, this.#size, size);
    this.#size = size;
  }

  #reserve(size: number): void {
    if (size > this.#limit)
      throw new CasError('INDEX_INVALID', { errno: 'EFBIG', expected: `at most ${this.#limit} bytes` });
    if (size <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(size, 2 * this.#bytes.length, 4096));
    this.#bytes.copy(larger, 0, 0, this.#size);
    this.#bytes = larger;
  }
}
