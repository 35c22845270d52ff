import { isCasError } from '../errors.js';
import { PayloadIndex, type Rows } from './index.js';
import type { Payload } from './location.js';
import { PayloadReader } from './reader.js';
import { removeSet, sets, trim } from './sets.js';
import { PayloadWriter } from './writer.js';

/**
 * The payloads of a store. A set belongs to the layer that it came with; contents are shared with that layer as long as
 * it is there. What others have of a set whose layer has gone stays, but nobody else comes to share it, so that what is
 * not needed of it can be freed.
 */
export class Payloads {
  readonly reader: PayloadReader;
  readonly index: PayloadIndex;
  readonly #root: string;
  readonly #owned = new Set<string>();
  readonly #writers = new Set<PayloadWriter>();

  /** @param root - the store */
  constructor(root: string, rows: Rows) {
    this.#root = root;
    this.reader = new PayloadReader(root);
    this.index = new PayloadIndex(unlessDamaged(rows), (set) => this.#owned.has(set));
  }

  /** A set has its layer. */
  own(set: string): void {
    this.#owned.add(set);
  }

  /** A set has lost its layer. */
  disown(set: string): void {
    this.#owned.delete(set);
  }

  /** Begins a set. What its writer finds in others stays there until {@link end}. */
  begin(): PayloadWriter {
    const writer = new PayloadWriter(this.#root, this.index);
    this.#writers.add(writer);
    return writer;
  }

  /** It is known what became of what a writer stored. */
  end(writer: PayloadWriter): void {
    this.#writers.delete(writer);
  }

  /** Whether somebody is writing a layer that has contents in a set. */
  isAwaited(set: string): boolean {
    return [...this.#writers].some((writer) => writer.used.has(set));
  }

  /** Frees what is not kept of a set. */
  async trim(set: string, keep: readonly Payload[]): Promise<void> {
    await this.reader.forget(set);
    await trim(this.#root, set, keep);
  }

  /** Removes the sets that nobody needs: what was being written when a process ended. */
  async keepOnly(needed: ReadonlySet<string>): Promise<void> {
    for (const set of await sets(this.#root)) if (!needed.has(set)) await removeSet(this.#root, set);
  }

  close(): Promise<void> {
    return this.reader.close();
  }
}

/** Rows that are made again are as good as none meanwhile: contents are stored twice then. */
function unlessDamaged(rows: Rows): Rows {
  return {
    getMany: (keys) =>
      rows.getMany(keys).catch((error: unknown) => {
        if (isCasError(error, 'METADATA_DAMAGED')) return keys.map(() => undefined);
        throw error;
      }),
  };
}
