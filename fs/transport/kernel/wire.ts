import { FsError } from '../../errors.js';
import type { Name } from '../../node.js';
import { SIZE } from './protocol.js';

const HIGH = 2 ** 32;

/** Reads the fields of a request one after another. Little-endian hosts only, see kernel.ts. */
export class Reader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  u32(): number {
    const value = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  /** Exact up to 2^53. */
  u64(): number {
    const low = this.u32();
    return this.u32() * HIGH + low;
  }

  i64(): bigint {
    const value = this.#bytes.readBigInt64LE(this.#at);
    this.#at += 8;
    return value;
  }

  /**
   * An offset or length in a file.
   * @throws FsError EFBIG above 2^53
   */
  offset(): number {
    const value = this.u64();
    if (value > Number.MAX_SAFE_INTEGER) throw new FsError('EFBIG');
    return value;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  /** A name that ends with a NUL byte. */
  name(): Name {
    return this.#string('latin1') as Name;
  }

  /** Text that ends with a NUL byte. */
  text(): string {
    return this.#string('utf8');
  }

  /** The next `length` bytes, not copied: valid until the request buffer is reused. */
  bytes(length: number): Buffer {
    const start = this.#at;
    this.#at = Math.min(start + length, this.#end);
    return this.#bytes.subarray(start, this.#at);
  }

  #string(encoding: 'latin1' | 'utf8'): string {
    const start = this.#at;
    const nul = this.#bytes.indexOf(0, start);
    const end = nul < 0 || nul > this.#end ? this.#end : nul;
    this.#at = end + 1;
    return this.#bytes.toString(encoding, start, end);
  }
}

/** Writes a reply: room for the header, then the payload field by field. */
export class Writer {
  readonly #buffer: Buffer;
  readonly #sent: (() => void) | undefined;
  #at: number = SIZE.OUT_HEADER;

  /** Writes into `buffer`; `sent` is called once that is free again. */
  constructor(buffer: Buffer, sent?: () => void) {
    this.#buffer = buffer;
    this.#sent = sent;
  }

  /** A writer with room for `payload` bytes. */
  static of(payload: number): Writer {
    return new Writer(Buffer.allocUnsafe(SIZE.OUT_HEADER + payload));
  }

  /** Payload bytes written so far. */
  get length(): number {
    return this.#at - SIZE.OUT_HEADER;
  }

  u16(value: number): void {
    this.#at = this.#buffer.writeUInt16LE(value, this.#at);
  }

  u32(value: number): void {
    this.#at = this.#buffer.writeUInt32LE(value >>> 0, this.#at);
  }

  /** A number from 0 to 2^53. */
  u64(value: number): void {
    this.u32(value % HIGH);
    this.u32(Math.floor(value / HIGH));
  }

  i64(value: bigint): void {
    this.#at = this.#buffer.writeBigInt64LE(value, this.#at);
  }

  zeros(count: number): void {
    this.#buffer.fill(0, this.#at, this.#at + count);
    this.#at += count;
  }

  name(value: Name): void {
    this.#at += this.#buffer.write(value, this.#at, 'latin1');
  }

  bytes(value: Uint8Array): void {
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  /** Room for `count` bytes that something else fills; {@link advance} says how many it took. */
  room(count: number): Buffer {
    return this.#buffer.subarray(this.#at, this.#at + count);
  }

  advance(count: number): void {
    this.#at += count;
  }

  /** The whole message, its header made for `unique`. */
  finish(unique: number, code = 0): Buffer {
    this.#buffer.writeUInt32LE(this.#at, 0);
    this.#buffer.writeInt32LE(code, 4);
    this.#buffer.writeUInt32LE(unique % HIGH, 8);
    this.#buffer.writeUInt32LE(Math.floor(unique / HIGH), 12);
    return this.#buffer.subarray(0, this.#at);
  }

  /** The message was written: its buffer may be used again. */
  sent(): void {
    this.#sent?.();
  }
}
