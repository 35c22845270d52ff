import { inBatches } from '../in-batches.js';
import type { Payload } from '../payloads/location.js';
import { check, type PayloadReader } from '../payloads/reader.js';
import { endOf, type PlacedRecord } from './chunk.js';
import { ChunkCache } from './chunk-cache.js';
import type { RangeReader } from './range-reader.js';
import { chunkAt, lastNotAbove, type SplitIndex } from './split-index.js';

/** Payloads that lie one after the other in a pack, or the part of one payload, and where their bytes go. */
interface Run {
  readonly first: Payload;
  /** Where reading begins in the first. */
  readonly offset: number;
  readonly into: Uint8Array[];
  /** The packed payloads that are read whole, and so can be checked. */
  readonly whole: (readonly [Payload, Uint8Array])[];
  /** Where the next payload must begin in the pack. */
  end: number | undefined;
}

/**
 * A tar, put together again from its records and the payloads. Packed payloads that are read whole are checked by their
 * digests; larger ones are not, nor is the whole: see {@link exportTar}.
 */
export class AssembledTar implements RangeReader {
  readonly size: number;
  readonly #index: SplitIndex;
  readonly #chunks: ChunkCache;
  readonly #payloads: PayloadReader;
  /** Where the last read ended. */
  #end = 0;

  /** @param getChunk - gives the bytes of a chunk by its number in the index */
  constructor(index: SplitIndex, getChunk: (number: number) => Promise<Buffer>, payloads: PayloadReader) {
    this.size = index.size;
    this.#index = index;
    this.#chunks = new ChunkCache(index, getChunk);
    this.#payloads = payloads;
  }

  /** The number of chunks. */
  get chunks(): number {
    return this.#index.offsets.length;
  }

  /** The records of a chunk. @throws CasError LAYER_DAMAGED */
  records(chunk: number): Promise<PlacedRecord[]> {
    return this.#chunks.get(chunk);
  }

  /** @throws CasError LAYER_DAMAGED; the system's error */
  async read(into: Uint8Array, offset: number): Promise<number> {
    const wanted = into.subarray(0, Math.max(0, Math.min(into.length, this.size - offset)));
    if (wanted.length === 0) return 0;
    const isSequential = offset === this.#end;
    this.#end = offset + wanted.length;
    const runs: Run[] = [];
    let chunk = chunkAt(this.#index, offset);
    for (; chunk < this.chunks && (this.#index.offsets[chunk] ?? 0) < offset + wanted.length; chunk++)
      place(await this.#chunks.get(chunk), wanted, offset, runs);
    if (isSequential) this.#chunks.prepare(chunk);
    await inBatches(runs, async ({ first, offset, into, whole }) => {
      await this.#payloads.readRun(first, offset, into);
      for (const [payload, bytes] of whole) check(payload, bytes);
    });
    return wanted.length;
  }
}

/**
 * Copies the raw bytes of a chunk that lie in a range of the tar, and adds what is to be read of its payloads.
 * @param into - the bytes of the range
 * @param offset - where the range begins in the tar
 */
function place(records: readonly PlacedRecord[], into: Uint8Array, offset: number, runs: Run[]): void {
  const end = offset + into.length;
  const first = lastNotAbove(offset, records.length, (number) => records[number]?.tarOffset ?? 0);
  for (let number = first; number < records.length; number++) {
    const record = records[number];
    if (!record || record.tarOffset >= end) return;
    const { tarOffset, raw, payload } = record;
    const begin = tarOffset + raw.length;
    if (begin > offset) {
      const skip = Math.max(0, offset - tarOffset);
      into.set(raw.subarray(skip, end - tarOffset), tarOffset + skip - offset);
    }
    if (!payload || payload.size === 0 || begin >= end || endOf(record) <= offset) continue;
    const skip = Math.max(0, offset - begin);
    addTo(runs, payload, skip, into.subarray(begin + skip - offset, endOf(record) - offset));
  }
}

function addTo(runs: Run[], payload: Payload, offset: number, into: Uint8Array): void {
  const { location, size } = payload;
  const end = location.offset === undefined ? undefined : location.offset + size;
  const last = runs.at(-1);
  const whole = end !== undefined && into.length === size ? [[payload, into] as const] : [];
  if (last?.end !== undefined && last.end === location.offset && last.first.location.set === location.set) {
    last.into.push(into);
    last.whole.push(...whole);
    last.end = end;
  } else runs.push({ first: payload, offset, into: [into], whole, end });
}
