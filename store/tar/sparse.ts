import type { ByteText, Extent } from './entry.js';
import { BLOCK } from './header.js';
import type { TarLimits } from './limits.js';
import { decimal, numeric } from './numbers.js';
import type { PaxRecords } from './pax.js';
import { invalid, quoted, tooLarge, type Place } from './refuse.js';

/** The map of a sparse file, while its blocks are being read. */
export interface SparseMap {
  /** Offset and length of each range, in turn. */
  readonly numbers: readonly number[];
  readonly complete: boolean;
  /** Whether the size of the entry counts the map's blocks: they stand before the data, not before the entry's end. */
  readonly inData: boolean;
  /** Takes the next 512 bytes of the tar, at `at`. Only while it is not complete. */
  push(block: Buffer, at: number): void;
}

/** A map that pax records hold in full: formats 0.0 and 0.1. */
export function paxMap(pax: PaxRecords, limits: TarLimits, place: Place): SparseMap {
  const text = pax.get('GNU.sparse.map') ?? '';
  const numbers = text === '' ? [] : text.split(',').map((part) => decimal(part));
  const count = decimal(pax.get('GNU.sparse.numblocks') ?? '');
  if (count > limits.extents) throw tooLarge(place, limits.extents, 'ranges in a sparse file', count);
  if (numbers.length !== 2 * count) {
    throw invalid(place, `a sparse map of ${count} ranges`, `${numbers.length} numbers`);
  }
  const push = (): never => {
    throw new Error('the map is complete');
  };
  return { numbers, complete: true, inData: false, push };
}

/** The map of GNU's old format, type S: four ranges in the header and 21 in each block that follows it. */
export class OldGnuMap implements SparseMap {
  readonly numbers: number[] = [];
  complete = false;
  readonly inData = false;
  readonly #limits: TarLimits;
  readonly #place: Place;

  constructor(header: Buffer, at: number, limits: TarLimits, place: Place) {
    this.#limits = limits;
    this.#place = place;
    this.#take(header, at + 386, 4);
  }

  push(block: Buffer, at: number): void {
    this.#take(block, at, 21);
  }

  #take(block: Buffer, at: number, count: number): void {
    const end = at + 24 * count;
    for (let i = at; i < end && block[i] !== 0; i += 24) {
      this.numbers.push(numeric(block, i, 12), numeric(block, i + 12, 12));
    }
    this.complete = block[end] === 0;
    const { extents } = this.#limits;
    const found = this.numbers.length / 2;
    if (found > extents) throw tooLarge(this.#place, extents, 'ranges in a sparse file', found);
  }
}

/**
 * The map of format 1.0: lines with decimal numbers at the beginning of the data, first how many ranges there are,
 * then offset and length of each; NULs fill up its last block.
 */
export class EmbeddedMap implements SparseMap {
  readonly numbers: number[] = [];
  complete = false;
  readonly inData = true;
  readonly #limits: TarLimits;
  readonly #place: Place;
  #count: number | undefined;
  #line: ByteText = '';

  constructor(limits: TarLimits, place: Place) {
    this.#limits = limits;
    this.#place = place;
  }

  push(block: Buffer, at: number): void {
    const lines = `${this.#line}${block.toString('latin1', at, at + BLOCK)}`.split('\n');
    const last = lines.pop() ?? '';
    for (const line of lines) {
      if (!this.complete) this.#take(line);
    }
    // Numbers have at most 19 digits; whatever is longer is none, and is not gathered.
    if (!this.complete && last.length > BLOCK)
      throw invalid(this.#place, 'a number in the sparse map', quoted(last));
    this.#line = last;
  }

  #take(line: ByteText): void {
    const number = decimal(line);
    if (Number.isNaN(number)) throw invalid(this.#place, 'a number in the sparse map', quoted(line));
    if (this.#count === undefined) {
      if (number < 0) throw invalid(this.#place, 'how many ranges the sparse map has', quoted(line));
      const { extents } = this.#limits;
      if (number > extents) throw tooLarge(this.#place, extents, 'ranges in a sparse file', number);
      this.#count = number;
    } else {
      this.numbers.push(number);
    }
    this.complete = this.numbers.length === 2 * this.#count;
  }
}

/**
 * The ranges with data, empty ones left out.
 *
 * @param size bytes of the file as it is read
 * @param stored bytes of data in the tar
 * @throws CasError LAYER_INVALID where they are not in order, overlap, exceed the file or are not what is stored
 */
export function extentsOf(map: SparseMap, size: number, stored: number, place: Place): Extent[] {
  const extents: Extent[] = [];
  let end = 0;
  let total = 0;
  for (let i = 0; i < map.numbers.length; i += 2) {
    const offset = map.numbers[i] ?? NaN;
    const length = map.numbers[i + 1] ?? NaN;
    if (!(offset >= end && length >= 0 && offset <= size - length)) {
      throw invalid(
        place,
        `a range between ${end} and ${size} in the sparse map`,
        `${length} bytes at ${offset}`,
      );
    }
    if (length > 0) extents.push({ offset, length });
    end = offset + length;
    total += length;
  }
  if (total !== stored) throw invalid(place, `${total} bytes of data, as the sparse map says`, stored);
  return extents;
}
