import { Cursor } from './cursor.js';
import type { TarEntry } from './entry.js';
import { ExtendedHeaders, isExtended } from './extended.js';
import { BLOCK, readHeader, type Header } from './header.js';
import { TAR_LIMITS, type TarLimits } from './limits.js';
import { invalid, tooLarge, type Place } from './refuse.js';
import { resolve, type Resolved } from './resolve.js';
import type { TarSink } from './sink.js';
import { extentsOf } from './sparse.js';

type State =
  | 'header'
  | 'zero' // one zero block was read
  | 'extended' // the body of x, g, L or K
  | 'map'
  | 'data'
  | 'padding'
  | 'trailer';

const NOTHING = Buffer.alloc(0);

/**
 * Takes a tar apart as it is pushed, in bounded memory. It accepts what Go's archive/tar does, which layers are made
 * and read with, apart from types that no layer can have.
 *
 * After an error it must not be used any more. Errors are LAYER_INVALID and LAYER_TOO_LARGE, with the offset in the
 * tar, and what the sink throws.
 */
export class TarFramer {
  readonly #sink: TarSink;
  readonly #limits: TarLimits;
  readonly #cursor = new Cursor();

  #state: State = 'header';
  /** Bytes that `header`, `zero`, `extended` and `map` need to go on. */
  #need = BLOCK;
  /** What is left of `data` and `padding`. */
  #left = 0;

  #entries = 0;
  /** Bytes of headers and maps since the last entry. */
  #headerBytes = 0;
  readonly #extended = new ExtendedHeaders();
  /** The entry whose map or data is being read, and where its header stands. */
  #resolved: Resolved | undefined;
  #headerAt = 0;
  /** Bytes of its map that count as data. */
  #mapBytes = 0;

  constructor(sink: TarSink, limits: Partial<TarLimits> = {}) {
    this.#sink = sink;
    this.#limits = { ...TAR_LIMITS, ...limits };
  }

  push(chunk: Buffer): void {
    const cursor = this.#cursor;
    cursor.begin(chunk);
    const { offset } = cursor;
    if (!Number.isSafeInteger(offset + chunk.length)) {
      throw tooLarge({ offset }, Number.MAX_SAFE_INTEGER, 'bytes in a tar', offset);
    }
    while (!cursor.atEnd) this.#step(cursor);
    this.#flush();
  }

  /** Says that all has been pushed. A tar may end without zero blocks, with one, and in padding, as for Go's reader. */
  end(): void {
    const { holds, offset } = this.#cursor;
    if (holds || this.#state === 'extended' || this.#state === 'map') {
      throw invalid({ offset }, 'a whole header', 'the end of the tar');
    }
    if (this.#state === 'data')
      throw invalid({ offset }, `${this.#left} more bytes of data`, 'the end of the tar');
    if (this.#state !== 'trailer') this.#sink.archiveEnd?.();
  }

  #step(cursor: Cursor): void {
    switch (this.#state) {
      case 'data':
        this.#passData(cursor.data(this.#left));
        return;
      case 'padding':
        this.#left -= cursor.skip(this.#left);
        if (this.#left === 0) this.#state = 'header';
        return;
      case 'trailer':
        cursor.skip(Infinity);
        return;
      default:
        if (cursor.gather(this.#need)) this.#take(cursor.bytes, cursor.from);
    }
  }

  #flush(): void {
    const raw = this.#cursor.raw();
    if (raw) this.#sink.raw(raw);
  }

  #passData(bytes: Buffer): void {
    this.#left -= bytes.length;
    this.#sink.data(bytes);
    if (this.#left > 0) return;
    this.#sink.dataEnd();
    this.#pad(this.#resolved?.entry.stored ?? 0);
  }

  /** Expects what fills up the last block of `size` bytes, then a header. */
  #pad(size: number): void {
    this.#left = (BLOCK - (size % BLOCK)) % BLOCK;
    this.#state = this.#left > 0 ? 'padding' : 'header';
    this.#need = BLOCK;
  }

  /** Takes the `#need` bytes at `from`. */
  #take(bytes: Buffer, from: number): void {
    switch (this.#state) {
      case 'extended':
        this.#takeBody(bytes, from);
        return;
      case 'map':
        this.#resolved?.map?.push(bytes, from);
        this.#awaitMap();
        return;
      default:
        this.#takeHeader(bytes, from);
    }
  }

  #takeHeader(block: Buffer, from: number): void {
    this.#headerAt = this.#cursor.offset - BLOCK;
    const place = { offset: this.#headerAt };
    const header = readHeader(block, from, place);
    if (header === undefined) {
      this.#takeZeros();
    } else if (this.#state === 'zero') {
      throw invalid(place, 'a second zero block', 'a header');
    } else if (isExtended(header)) {
      this.#takeExtended(header, place);
    } else {
      this.#countHeader(BLOCK);
      this.#resolved = resolve(header, this.#extended.take(), block, from, this.#limits, this.#headerAt);
      this.#mapBytes = 0;
      this.#awaitMap();
    }
  }

  #takeZeros(): void {
    if (this.#state === 'header') {
      this.#state = 'zero';
      return;
    }
    this.#state = 'trailer';
    this.#flush();
    this.#sink.archiveEnd?.();
  }

  #takeExtended(header: Header, place: Place): void {
    const { extendedHeader } = this.#limits;
    const { size } = header;
    if (size < 0) throw invalid(place, 'a size that is not negative', size);
    if (size > extendedHeader) throw tooLarge(place, extendedHeader, 'bytes in an extended header', size);
    this.#countHeader(BLOCK + size);
    this.#extended.begin(header);
    this.#state = 'extended';
    this.#need = size;
    if (size === 0) this.#takeBody(NOTHING, 0);
  }

  #takeBody(bytes: Buffer, from: number): void {
    const body = bytes.subarray(from, from + this.#need);
    const global = this.#extended.end(body, this.#headerAt);
    if (global !== undefined) {
      this.#flush();
      this.#sink.global?.(global);
    }
    this.#pad(body.length);
  }

  #countHeader(size: number): void {
    this.#headerBytes += size;
    const { entryHeaders } = this.#limits;
    if (this.#headerBytes > entryHeaders) {
      const place = { offset: this.#headerAt };
      throw tooLarge(place, entryHeaders, 'bytes of headers of one entry', this.#headerBytes);
    }
  }

  /** Gives the entry to the sink if its map is there, else asks for the map's next block. */
  #awaitMap(): void {
    if (!this.#resolved) return;
    const { entry, declared, map } = this.#resolved;
    if (!map) {
      this.#give(entry, declared);
      return;
    }
    const place = { offset: this.#headerAt, name: entry.name };
    const stored = entry.stored - this.#mapBytes;
    if (map.complete) {
      this.#give({ ...entry, stored, sparse: extentsOf(map, entry.size, stored, place) }, declared);
      return;
    }
    this.#countHeader(BLOCK);
    if (map.inData) {
      if (stored < BLOCK) throw invalid(place, 'a whole sparse map', 'the end of the data');
      this.#mapBytes += BLOCK;
    }
    this.#state = 'map';
    this.#need = BLOCK;
  }

  #give(entry: TarEntry, declared: number): void {
    this.#entries++;
    const { entries } = this.#limits;
    if (this.#entries > entries) {
      throw tooLarge(
        { offset: this.#headerAt, name: entry.name },
        entries,
        'entries in a layer',
        this.#entries,
      );
    }
    this.#headerBytes = 0;
    this.#need = BLOCK;
    this.#left = entry.stored;
    this.#state = entry.stored > 0 ? 'data' : 'header';
    this.#flush();
    this.#sink.entry(entry, declared);
  }
}
