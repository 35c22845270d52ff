import { CasError } from '../errors.js';
import { safeJson } from '../json.js';
import type { Payload } from '../payloads/location.js';
import type { ByteText } from '../tar/entry.js';
import { TarFramer } from '../tar/framer.js';
import { NO_LIMITS } from '../tar/limits.js';
import type { TarSink } from '../tar/sink.js';
import { crc64, EMPTY_CRC64, type Crc64 } from './crc64.js';
import { DistinctNames } from './distinct-names.js';
import type { SplitRecord } from './record.js';
import { formatTarSplit, type TarSplitItem } from './tar-split-line.js';

/** How tar-split cuts what lies beyond the archive. */
const TRAILER_PIECE = 1 << 20;

/**
 * The lines of Docker's tar-split.json for a tar, byte for byte as vbatts/tar-split writes them. It keeps the names of
 * all entries in memory.
 *
 * Two things differ, as tar-split itself cannot make the tar from them again. Padding that ends before its block does
 * is kept. And sparse files are refused, of which tar-split has the bytes with all holes filled.
 *
 * @param records of a whole tar, in order
 * @param read the bytes of a payload
 * @throws CasError LAYER_INVALID where a file is sparse or two have the same path; LAYER_DAMAGED where a payload is
 * not as long as the headers say
 */
export async function* exportTarSplit(
  records: AsyncIterable<SplitRecord>,
  read: (payload: Payload) => AsyncIterable<Buffer>,
): AsyncGenerator<string> {
  const packer = new Packer(await crc64());
  // The framer finds what records do not tell: global headers, declared sizes and the end of the archive.
  const framer = new TarFramer(packer, NO_LIMITS);
  for await (const { raw, payload } of records) {
    framer.push(raw);
    yield* packer.take();
    if (!payload) continue;
    let left = payload.size;
    for await (const bytes of read(payload)) {
      left -= bytes.length;
      if (left < 0) break;
      framer.push(bytes);
    }
    if (left !== 0)
      throw new CasError('LAYER_DAMAGED', { expected: payload.size, found: payload.size - left });
    yield* packer.take();
  }
  framer.end();
  packer.end();
  yield* packer.take();
}

class Packer implements TarSink {
  readonly #crc: Crc64;
  readonly #names = new DistinctNames();
  #items: TarSplitItem[] = [];
  #position = 0;
  /** Raw bytes of the next segment. */
  #raw: Buffer[] = [];
  #rawSize = 0;
  #ended = false;
  /** The file whose data is coming. */
  #file = { name: '', size: 0 };

  constructor(crc: Crc64) {
    this.#crc = crc;
  }

  /** The lines that came up since the last call. */
  take(): string[] {
    const lines = this.#items.map((item) => formatTarSplit(item, this.#position++));
    this.#items = [];
    return lines;
  }

  raw(bytes: Buffer): void {
    if (!this.#ended) {
      this.#add(bytes);
      return;
    }
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + TRAILER_PIECE - this.#rawSize);
      this.#add(piece);
      at += piece.length;
      if (this.#rawSize === TRAILER_PIECE) this.#endSegment();
    }
  }

  entry(entry: { name: ByteText; stored: number; sparse?: unknown }, declared: number): void {
    const { name, stored } = entry;
    if (entry.sparse) {
      throw new CasError('LAYER_INVALID', {
        subject: safeJson(name),
        expected: 'no sparse file, for tar-split',
      });
    }
    this.#endSegment();
    this.#file = { name, size: declared };
    if (stored === 0) this.#addFile(name, declared, declared > 0 ? EMPTY_CRC64 : undefined);
  }

  data(bytes: Buffer): void {
    this.#crc.update(bytes);
  }

  dataEnd(): void {
    this.#addFile(this.#file.name, this.#file.size, this.#crc.digest());
  }

  global(name: ByteText): void {
    this.#endSegment();
    this.#addFile(name, 0, undefined);
  }

  archiveEnd(): void {
    this.#endSegment();
    this.#ended = true;
  }

  end(): void {
    this.#endSegment();
    // tar-split has a segment for the read that finds the end, too.
    this.#items.push({ type: 'segment', bytes: Buffer.alloc(0) });
  }

  #add(bytes: Buffer): void {
    this.#raw.push(bytes);
    this.#rawSize += bytes.length;
  }

  #endSegment(): void {
    if (this.#rawSize === 0) return;
    this.#items.push({ type: 'segment', bytes: Buffer.concat(this.#raw) });
    this.#raw = [];
    this.#rawSize = 0;
  }

  #addFile(name: ByteText, size: number, crc: Buffer | undefined): void {
    if (!this.#names.add(name)) {
      throw new CasError('LAYER_INVALID', {
        subject: safeJson(name),
        expected: 'every path once, for tar-split',
      });
    }
    this.#items.push({ type: 'file', name, size, crc });
  }
}
