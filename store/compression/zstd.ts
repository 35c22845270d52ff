import { constants } from 'node:os';
import koffi from 'koffi';
import { CasError } from '../errors.js';
import { systemError } from '../libc.js';
import { type Libzstd, libzstd } from './libzstd.js';
import type { Source } from './source.js';

/** Bytes of an output chunk, and so of a job on the thread pool: about 1 ms. */
const CHUNK_SIZE = 1024 * 1024;

/** ZSTD_d_windowLogMax, and the largest window that a decoder should accept without being told so: 128 MiB. */
const WINDOW_LOG_MAX = 100;
const WINDOW_LOG = 27;

/** Of ZSTD_ErrorCode. */
const WINDOW_TOO_LARGE = -16;
const NO_MEMORY = -64;

/** ZSTD_outBuffer and ZSTD_inBuffer: an address, a size and a position of 64 bits each. */
const BUFFER = { address: 0, size: 8, position: 16, bytes: 24 } as const;

/**
 * Decompresses zstd with the system's libzstd: frames one after the other, of which skippable ones hold nothing, on
 * the thread pool. Checksums are verified where a frame has one. Beside the chunks a window of up to 128 MiB is held.
 *
 * @throws CasError LAYER_INVALID; LAYER_TOO_LARGE for a larger window; ZSTD_MISSING
 */
export async function* unzstd(input: Source): AsyncGenerator<Buffer, void> {
  const decoder = new Decoder(libzstd());
  try {
    for (let chunk = await input.next(); chunk; chunk = await input.next()) {
      decoder.give(chunk);
      while (decoder.hasMore) {
        await decoder.step();
        if (decoder.full) yield decoder.take();
      }
    }
    if (decoder.inFrame) throw invalid(decoder.offset, 'the end');
    if (!decoder.empty) yield decoder.take();
  } finally {
    decoder.free();
  }
}

class Decoder {
  readonly #zstd: Libzstd;
  readonly #context: number;
  readonly #in = Buffer.alloc(BUFFER.bytes);
  readonly #out = Buffer.alloc(BUFFER.bytes);
  /** Memory that libzstd knows by address alone is held here while it works. */
  #input: Buffer = Buffer.alloc(0);
  #output: Buffer = Buffer.alloc(0);
  /** What the chunks before this one were long. */
  #before = 0;
  /** Zero where a frame is complete and all of it has come out. */
  #expected = 0;

  constructor(zstd: Libzstd) {
    this.#zstd = zstd;
    this.#context = zstd.createContext();
    if (this.#context === 0) throw systemError('ZSTD_createDCtx', constants.errno.ENOMEM);
    zstd.setParameter(this.#context, WINDOW_LOG_MAX, WINDOW_LOG);
    this.#renew();
  }

  /** The input that has been decoded, in bytes. */
  get offset(): number {
    return this.#before + position(this.#in);
  }

  get inFrame(): boolean {
    return this.#expected !== 0;
  }

  get full(): boolean {
    return position(this.#out) === CHUNK_SIZE;
  }

  get empty(): boolean {
    return position(this.#out) === 0;
  }

  /** Whether there is input to decode, or output that did not fit. */
  hasMore = false;

  give(chunk: Buffer): void {
    this.#before += this.#input.length;
    this.#input = chunk;
    describe(this.#in, chunk);
    this.hasMore = true;
  }

  /** Decodes until the input is used up or the output is full. */
  async step(): Promise<void> {
    const result = await this.#zstd.decompressStream(this.#context, this.#out, this.#in);
    if (result < 0) throw this.#failure(result);
    this.#expected = result;
    this.hasMore = position(this.#in) < this.#input.length || (this.full && this.inFrame);
  }

  take(): Buffer {
    const chunk = this.#output.subarray(0, position(this.#out));
    this.#renew();
    return chunk;
  }

  free(): void {
    this.#zstd.freeContext(this.#context);
  }

  #renew(): void {
    this.#output = Buffer.allocUnsafeSlow(CHUNK_SIZE);
    describe(this.#out, this.#output);
  }

  #failure(result: number): Error {
    if (result === NO_MEMORY) return systemError('ZSTD_decompressStream', constants.errno.ENOMEM);
    const name = this.#zstd.errorName(result);
    if (result !== WINDOW_TOO_LARGE) return invalid(this.offset, name);
    const subject = `zstd, byte ${this.offset}`;
    return new CasError('LAYER_TOO_LARGE', { subject, expected: 'a window of at most 128 MiB', found: name });
  }
}

function describe(buffer: Buffer, memory: Buffer): void {
  buffer.writeBigUInt64LE(koffi.address(memory), BUFFER.address);
  buffer.writeBigUInt64LE(BigInt(memory.length), BUFFER.size);
  buffer.writeBigUInt64LE(0n, BUFFER.position);
}

function position(buffer: Buffer): number {
  return Number(buffer.readBigUInt64LE(BUFFER.position));
}

function invalid(offset: number, found: string): CasError {
  return new CasError('LAYER_INVALID', { subject: `zstd, byte ${offset}`, found });
}
