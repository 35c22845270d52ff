import { CasError } from '../errors.js';

/** How many rows a key space has, and the sum of their checksums modulo 2^48, in which their order does not matter. */
interface Tally {
  readonly count: number;
  readonly sum: number;
}

const MODULUS = 2 ** 48;

/** The rows of each key space, which is the first byte of a key. */
export class Ledger {
  readonly #tallies: Map<number, Tally>;

  constructor(tallies: Iterable<readonly [number, Tally]> = []) {
    this.#tallies = new Map(tallies);
  }

  copy(): Ledger {
    return new Ledger(this.#tallies);
  }

  add(key: Uint8Array, checksum: number): void {
    this.#change(key, 1, checksum);
  }

  remove(key: Uint8Array, checksum: number): void {
    this.#change(key, -1, MODULUS - checksum);
  }

  /** The number of rows in all key spaces. */
  get rows(): number {
    return [...this.#tallies.values()].reduce((rows, { count }) => rows + count, 0);
  }

  /** The same for ledgers of the same rows. */
  toString(): string {
    const spaces = [...this.#tallies].filter(([, { count, sum }]) => count !== 0 || sum !== 0);
    return JSON.stringify(spaces.sort(([a], [b]) => a - b));
  }

  #change([space = 0]: Uint8Array, count: number, sum: number): void {
    const tally = this.#tallies.get(space) ?? { count: 0, sum: 0 };
    this.#tallies.set(space, { count: tally.count + count, sum: (tally.sum + sum) % MODULUS });
  }
}

/** What every batch ends with: its number and what the rows must be after it. */
export interface Trailer {
  /** 0 before the first batch. */
  readonly sequence: number;
  readonly ledger: Ledger;
}

/** The key of the trailer, and the key space that is no tenant's. */
export const TRAILER = Buffer.of(0);

export function encodeTrailer({ sequence, ledger }: Trailer): Buffer {
  return Buffer.from(`${sequence} ${ledger.toString()}`);
}

/** @throws CasError METADATA_DAMAGED where it has the form of none */
export function decodeTrailer(value: Buffer): Trailer {
  const [, sequence, tallies = ''] = /^(\d+) (\[.*\])$/.exec(value.toString()) ?? [];
  if (sequence === undefined) throw new CasError('METADATA_DAMAGED', { found: 'a trailer that is none' });
  return { sequence: Number(sequence), ledger: new Ledger(JSON.parse(tallies) as [number, Tally][]) };
}
