import type { Operation } from '../metadata/session.js';
import { DigestTable } from './digest-table.js';
import type { PayloadIndex } from './index.js';
import type { Location, Payload } from './location.js';
import { rowOf, type Stored } from './row.js';

const OWN_FILE = -1;

/** What a registration has stored, and what it found to be there. */
export class Ledger {
  readonly #set: string;
  readonly #index: PayloadIndex;
  readonly #table = new DigestTable();
  // Of each digest in the table.
  readonly #sizes: number[] = [];
  readonly #offsets: number[] = [];
  readonly #used = new Set<string>();
  #stored = 0;
  #shared = 0;

  constructor(set: string, index: PayloadIndex) {
    this.#set = set;
    this.#index = index;
  }

  /** Bytes that were new. */
  get stored(): number {
    return this.#stored;
  }

  /** Bytes that were there already, in earlier sets or in this one. */
  get shared(): number {
    return this.#shared;
  }

  /** The earlier sets that something was found in. */
  get used(): ReadonlySet<string> {
    return this.#used;
  }

  /** What earlier sets have of these contents; those that this set has are not looked up. */
  async lookUp(digests: readonly Buffer[]): Promise<(Stored | undefined)[]> {
    const unknown = digests.filter((digest) => this.#table.find(digest) === undefined);
    const found = await this.#index.find(unknown);
    let next = 0;
    return digests.map((digest) => (digest === unknown[next] ? found[next++] : undefined));
  }

  /** Content that this set has; undefined where it has not. */
  repeat(digest: Buffer, size: number): Payload | undefined {
    const number = this.#table.find(digest);
    if (number === undefined) return undefined;
    this.#shared += size;
    return this.#payload(number, digest);
  }

  /**
   * Where content is to be read from: a place where it lies, else `location`, where it must be put then.
   * @param earlier - what {@link lookUp} gave for it
   */
  claim(digest: Buffer, size: number, earlier: Stored | undefined, location: Location): Payload {
    const repeated = this.repeat(digest, size);
    if (repeated) return repeated;
    if (earlier?.size === size && this.#index.mayShare(earlier.location.set)) {
      this.#used.add(earlier.location.set);
      this.#shared += size;
      return { digest, size, location: earlier.location };
    }
    this.#table.add(digest);
    this.#sizes.push(size);
    this.#offsets.push(location.offset ?? OWN_FILE);
    this.#stored += size;
    return { digest, size, location };
  }

  /** The rows of the index for what was new, made as they are taken: an array of a million takes 250 MB. */
  *rows(): Generator<Operation> {
    for (let number = 0; number < this.#sizes.length; number++)
      yield rowOf(this.#payload(number, this.#table.at(number)));
  }

  /** Whether nothing was new. */
  get isEmpty(): boolean {
    return this.#sizes.length === 0;
  }

  #payload(number: number, digest: Buffer): Payload {
    const offset = this.#offsets[number] ?? OWN_FILE;
    const location = offset === OWN_FILE ? { set: this.#set } : { set: this.#set, offset };
    return { digest, size: this.#sizes[number] ?? 0, location };
  }
}
