import { CasError } from '../errors.js';
import type { RangeReader } from './range-reader.js';

/** How much is read at a time for reads of less: a pool of threads is asked once for many small reads. */
const WINDOW = 256 << 10;

/** What a read gave. */
export interface ReadResult {
  readonly bytesRead: number;
  /** Whether the end is reached; told together with the last bytes. */
  readonly done: boolean;
}

/** What an offset is counted from. */
export type Whence = 'start' | 'current' | 'end';

/** Reads bytes from a position that moves on. Calls must not overlap. The size is that at the beginning. */
export class SeekableReader {
  readonly size: number;
  readonly #source: RangeReader;
  #position = 0;
  /** Bytes around the position that were read ahead. */
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  #memory: Uint8Array | undefined;
  #closed = false;

  constructor(source: RangeReader) {
    this.#source = source;
    this.size = source.size;
  }

  get position(): number {
    return this.#position;
  }

  /**
   * Fills `into` from the position on, as far as there are bytes, and moves on.
   * @throws CasError READER_CLOSED; what the source throws, and then the position stays
   */
  async read(into: Uint8Array): Promise<ReadResult> {
    this.#requireOpen();
    const wanted = Math.max(0, Math.min(into.length, this.size - this.#position));
    let bytesRead = 0;
    while (bytesRead < wanted) {
      const at = this.#position + bytesRead;
      const rest = into.subarray(bytesRead, wanted);
      const buffered = this.#buffered(at).subarray(0, rest.length);
      rest.set(buffered);
      bytesRead += buffered.length;
      if (buffered.length > 0) continue;
      if (rest.length < WINDOW) await this.#fill(at);
      else {
        await this.#exactly(rest, at);
        bytesRead = wanted;
      }
    }
    this.#requireOpen();
    this.#position += bytesRead;
    return { bytesRead, done: this.#position >= this.size };
  }

  /**
   * Moves the position, also past the end; the new one. What was read ahead is dropped unless it is the same.
   * @throws CasError OFFSET_INVALID where it would be negative, and then it stays; READER_CLOSED
   */
  seek(offset: number, whence: Whence = 'start'): number {
    this.#requireOpen();
    const position = { start: 0, current: this.#position, end: this.size }[whence] + offset;
    if (position < 0 || !Number.isSafeInteger(position))
      throw new CasError('OFFSET_INVALID', { expected: 'a position from 0 on', found: position });
    if (position !== this.#position) this.#window = new Uint8Array(0);
    this.#position = position;
    return position;
  }

  /** Ends it for good. @throws CasError READER_CLOSED where it is closed already */
  close(): void {
    this.#requireOpen();
    this.#closed = true;
    this.#window = new Uint8Array(0);
    this.#memory = undefined;
  }

  #requireOpen(): void {
    if (this.#closed) throw new CasError('READER_CLOSED');
  }

  #buffered(position: number): Uint8Array {
    const start = position - this.#windowStart;
    return start < 0 || start >= this.#window.length ? new Uint8Array(0) : this.#window.subarray(start);
  }

  async #fill(position: number): Promise<void> {
    this.#memory ??= new Uint8Array(WINDOW);
    const memory = this.#memory;
    this.#window = new Uint8Array(0);
    const window = memory.subarray(0, Math.min(WINDOW, this.size - position));
    await this.#exactly(window, position);
    this.#requireOpen();
    this.#window = window;
    this.#windowStart = position;
  }

  /** The source cannot end before its size. */
  async #exactly(into: Uint8Array, position: number): Promise<void> {
    const found = await this.#source.read(into, position);
    if (found < into.length)
      throw new CasError('LAYER_DAMAGED', { expected: `${this.size} bytes`, found: position + found });
  }
}
