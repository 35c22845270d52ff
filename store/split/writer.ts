import { CasError } from '../errors.js';
import { DIGEST } from '../payloads/row.js';
import { ByteWriter } from './bytes.js';
import { type Chunk, ENTRY, PACKED, PAYLOAD, SET, sealChunk } from './chunk.js';
import type { SplitRecord } from './record.js';
import type { SplitIndex } from './split-index.js';

/** When a chunk is full, in bytes of its body: about 300 entries, inflated and decoded in 1.2 ms. */
const FULL = 256 << 10;

/** The most raw bytes of a record: enough for four extended headers of 1 MiB each and a large map of holes. */
export const LONGEST_RAW = 16 << 20;

/** The most bytes of a tar: offsets have 48 bits. */
const LARGEST = 2 ** 48 - 1;

/** How many chunks are deflated at a time. */
const UNDER_WAY = 3;

/** Packs the records of a tar into chunks. */
export class SplitWriter {
  readonly #emit: (chunk: Chunk) => Promise<void> | void;
  readonly #heads = new ByteWriter();
  readonly #digests = new ByteWriter();
  readonly #raws = new ByteWriter();
  /** The sets that the chunk names, with their numbers. */
  readonly #sets = new Map<string, number>();
  #count = 0;
  #start = 0;
  #size = 0;
  #entries = 0;
  readonly #offsets: number[] = [];
  #last: Promise<void> = Promise.resolve();
  readonly #underWay: Promise<void>[] = [];

  /** @param emit - takes the chunks one after the other, in the order of the tar */
  constructor(emit: (chunk: Chunk) => Promise<void> | void) {
    this.#emit = emit;
  }

  /**
   * Takes the next record, whose bytes may change afterwards. A promise, where one is given, must be waited for: it
   * tells that enough is under way, or of a failure of `emit`.
   * @throws CasError LAYER_TOO_LARGE
   */
  add({ raw, entry, payload }: SplitRecord): Promise<void> | undefined {
    const size = this.#size + raw.length + (payload?.size ?? 0);
    if (raw.length > LONGEST_RAW || size > LARGEST) throw tooLarge(raw.length, size);
    const packed = payload?.location.offset;
    const kind = payload === undefined ? 0 : packed === undefined ? PAYLOAD : PAYLOAD | PACKED;
    this.#heads.varint(kind | (entry ? ENTRY : 0));
    this.#heads.varint(raw.length);
    if (payload) {
      this.#heads.varint(payload.size);
      this.#heads.varint(this.#numberOf(payload.location.set));
      if (packed !== undefined) this.#heads.varint(packed);
      this.#digests.put(payload.digest.subarray(0, DIGEST));
    }
    this.#raws.put(raw);
    this.#count++;
    this.#size = size;
    if (entry) this.#entries++;
    return this.#heads.length + this.#digests.length + this.#raws.length < FULL ? undefined : this.#seal();
  }

  /** Ends the last chunk, and settles when all are taken. */
  async finish(): Promise<SplitIndex> {
    if (this.#count > 0) await this.#seal();
    await this.#last;
    return { size: this.#size, entries: this.#entries, offsets: this.#offsets };
  }

  #numberOf(set: string): number {
    const number = this.#sets.get(set) ?? this.#sets.size;
    this.#sets.set(set, number);
    return number;
  }

  #seal(): Promise<void> | undefined {
    const sets = Buffer.from([...this.#sets.keys()].join(''), 'hex');
    if (sets.length !== SET * this.#sets.size) throw new RangeError('the name of a set is not 12 hex digits');
    const body = Buffer.concat([this.#heads.bytes(), sets, this.#digests.bytes(), this.#raws.bytes()]);
    const sealed = sealChunk(this.#start, this.#count, body);
    const last = Promise.all([sealed, this.#last]).then(([chunk]) => this.#emit(chunk));
    // Whoever waits for it, or for a later one, is told.
    last.catch(() => undefined);
    this.#last = last;
    this.#offsets.push(this.#start);
    for (const part of [this.#heads, this.#digests, this.#raws]) part.clear();
    this.#sets.clear();
    this.#count = 0;
    this.#start = this.#size;
    return this.#underWay.push(last) > UNDER_WAY ? this.#underWay.shift() : undefined;
  }
}

function tooLarge(raw: number, size: number): CasError {
  return raw > LONGEST_RAW
    ? new CasError('LAYER_TOO_LARGE', { subject: 'headers', expected: `at most ${LONGEST_RAW}`, found: raw })
    : new CasError('LAYER_TOO_LARGE', { expected: `at most ${LARGEST}`, found: size });
}
