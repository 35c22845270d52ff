import { CasError } from '../errors.js';
import { endOf, type PlacedRecord, readChunk } from './chunk.js';
import type { SplitIndex } from './split-index.js';

/** How many raw bytes are kept: the chunk in use, the one that is read ahead, and some that were used before. */
const MOST = 2 << 20;

interface Cached {
  readonly records: Promise<PlacedRecord[]>;
  /** Raw bytes; 0 while they are being read. */
  size: number;
}

/** The chunks of a tar that were decoded last. */
export class ChunkCache {
  readonly #index: SplitIndex;
  readonly #getChunk: (number: number) => Promise<Buffer>;
  /** In the order of their last use. */
  readonly #cached = new Map<number, Cached>();

  constructor(index: SplitIndex, getChunk: (number: number) => Promise<Buffer>) {
    this.#index = index;
    this.#getChunk = getChunk;
  }

  /**
   * The records of a chunk.
   * @throws CasError LAYER_DAMAGED where it is malformed or another one, or what `getChunk` throws
   */
  get(number: number): Promise<PlacedRecord[]> {
    const found = this.#cached.get(number);
    if (found) this.#cached.delete(number);
    const cached = found ?? this.#load(number);
    this.#cached.set(number, cached);
    return cached.records;
  }

  /** Begins to decode a chunk that will be asked for. An error is for those who ask. */
  prepare(number: number): void {
    if (number >= this.#index.offsets.length || this.#cached.has(number)) return;
    this.get(number).catch(() => undefined);
  }

  #load(number: number): Cached {
    const cached = { records: this.#read(number), size: 0 };
    cached.records.then(
      (records) => {
        cached.size = records.reduce((sum, { raw }) => sum + raw.length, 0);
        this.#trim();
      },
      () => {
        if (this.#cached.get(number) === cached) this.#cached.delete(number);
      },
    );
    return cached;
  }

  async #read(number: number): Promise<PlacedRecord[]> {
    const { offsets, size } = this.#index;
    const records = await readChunk(await this.#getChunk(number));
    const [first, last] = [records[0], records.at(-1)];
    const end = offsets[number + 1] ?? size;
    if (!first || !last || first.tarOffset !== offsets[number] || endOf(last) !== end)
      throw new CasError('LAYER_DAMAGED', { subject: `chunk ${number} of its tar`, found: 'another one' });
    return records;
  }

  /** Drops the least recently used, but never the last two. */
  #trim(): void {
    let size = 0;
    const newest = [...this.#cached].reverse();
    for (const [place, [number, cached]] of newest.entries()) {
      size += cached.size;
      if (place >= 2 && size > MOST) this.#cached.delete(number);
    }
  }
}
