import type { Operation } from '../metadata/session.js';
import type { Location, Payload } from './location.js';
import { decodeStored, payloadKey, type Stored } from './row.js';

/** What the rows are read from. */
export interface Rows {
  /** The values of keys, in their order; undefined where there is no row. */
  getMany(keys: Buffer[]): Promise<(Buffer | undefined)[]>;
}

/** Finds the payloads that the store has by their digests. */
export class PayloadIndex {
  readonly mayShare: (set: string) => boolean;
  readonly #rows: Rows;

  /** @param mayShare - whether others may come to use what a set has */
  constructor(rows: Rows, mayShare: (set: string) => boolean = () => true) {
    this.#rows = rows;
    this.mayShare = mayShare;
  }

  /**
   * Where the payloads with these digests lie, in their order; undefined where the store has none.
   * @throws CasError METADATA_DAMAGED, METADATA_UNAVAILABLE
   */
  async find(digests: readonly Uint8Array[]): Promise<(Stored | undefined)[]> {
    if (digests.length === 0) return [];
    const values = await this.#rows.getMany(digests.map(payloadKey));
    return values.map((value) => (value === undefined ? undefined : decodeStored(value)));
  }

  /** What removes the rows of payloads that go, where these rows speak of them and of no copy elsewhere. */
  async forget(payloads: readonly Payload[]): Promise<Operation[]> {
    const found = await this.find(payloads.map(({ digest }) => digest));
    return payloads
      .filter(({ location }, index) => isSame(found[index]?.location, location))
      .map(({ digest }) => ({ key: payloadKey(digest) }));
  }
}

function isSame(a: Location | undefined, b: Location): boolean {
  return a?.set === b.set && a.offset === b.offset;
}
