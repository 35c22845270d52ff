import fs from 'node:fs';
import type { Operation } from '../metadata/session.js';
import { Blocks } from './blocks.js';
import type { Destination, Pending, PendingPayload } from './destination.js';
import { FileWriter } from './file-writer.js';
import type { PayloadIndex } from './index.js';
import { Ledger } from './ledger.js';
import { PackWriter } from './pack-writer.js';
import { SetDirectory } from './set-directory.js';

/**
 * Payloads of fewer bytes go into the pack of their set, others are files of their own. To write and sync 63,000 files
 * of a Debian tree, 1.14 GB, on ext4 took 1.39 s at 16 KiB, 1.30 s at 32, 1.14 s at 64 and from there on no less (1.11
 * to 1.22 s up to 1 MiB); the disk had 1153, 1147, 1144 and at last 1140 MB. At 128 KiB a minimal Debian has 167 files
 * of their own, half of those at 64 KiB, and 68 % of its bytes can be passed through.
 */
export const PACKED_BELOW = 128 << 10;

/** How many blocks of memory may be in use when more input is asked for. */
const MOST_BLOCKS = 8;

/** What a registration has put into the store. */
export interface FinishedPayloads {
  /** The set that was made; undefined where nothing was new. */
  readonly set: string | undefined;
  /** What makes its payloads known; made anew each time it is gone through. They must be on the disk before these are. */
  readonly rows: Iterable<Operation>;
  /** Other sets, in which contents were found. */
  readonly used: ReadonlySet<string>;
  /** Bytes that were new. */
  readonly stored: number;
  /** Bytes that were there already, in other sets or, for repeated contents, in this one. */
  readonly shared: number;
}

/**
 * Stores the contents of the files of one layer that the store does not have yet, in a set of their own. A synchronous
 * parser calls begin, data and end; between chunks of its input, of about 1 MiB, it waits for {@link drain}. What is
 * under way then is at most 8 MiB. Nothing is synced.
 */
export class PayloadWriter {
  readonly #to: Destination;
  readonly #pack: PackWriter;
  readonly #under = new Set<Promise<unknown>>();
  #current: PackWriter | FileWriter | undefined;
  #expected = 0;
  #failure: { readonly error: unknown } | undefined;

  /** @param root - the store */
  constructor(root: string, index: PayloadIndex) {
    const directory = new SetDirectory(root);
    const ledger = new Ledger(directory.set, index);
    this.#to = { directory, ledger, blocks: new Blocks(), follow: (work) => this.#follow(work) };
    this.#pack = new PackWriter(this.#to);
  }

  /** The set that contents go to: 12 hex digits. There is no directory before there is something to store. */
  get set(): string {
    return this.#to.directory.set;
  }

  /** Other sets in which contents were found so far. */
  get used(): ReadonlySet<string> {
    return this.#to.ledger.used;
  }

  /** Begins the contents of a file of `size` bytes. */
  begin(size: number): void {
    this.#expected = size;
    // After a failure nothing that is given can be stored any more, and drain() tells.
    if (this.#failure) return;
    this.#current = size < PACKED_BELOW ? this.#pack : new FileWriter(this.#to, size);
    if (this.#current === this.#pack) this.#pack.begin(size);
  }

  /** Takes more of the contents. The bytes may change afterwards. */
  data(bytes: Uint8Array): void {
    this.#expected -= bytes.length;
    if (this.#expected < 0) throw new RangeError('more bytes than the payload was to have');
    if (!this.#failure) this.#current?.data(bytes);
  }

  /** Ends the contents, all of which must have been given. */
  end(): PendingPayload {
    if (this.#expected > 0) throw new RangeError('fewer bytes than the payload was to have');
    const pending: Pending = { payload: undefined };
    if (this.#failure) return pending;
    this.#current?.end(pending);
    this.#current = undefined;
    return pending;
  }

  /**
   * Waits until there is room for another chunk.
   * @throws the error that writing or the index met, such as ENOSPC or EIO; {@link discard} is all that is left then
   */
  async drain(): Promise<void> {
    while (this.#under.size > 0 && this.#to.blocks.taken > MOST_BLOCKS && !this.#failure)
      await Promise.race(this.#under);
    this.#throwFailure();
  }

  /**
   * Waits until the payloads of all contents that have ended are known.
   * @throws as {@link drain}
   */
  async settle(): Promise<void> {
    this.#pack.flush();
    await this.#quiet();
    this.#throwFailure();
  }

  /**
   * Ends the set. What is in it is not synced.
   * @throws as {@link drain}
   */
  async finish(): Promise<FinishedPayloads> {
    await this.settle();
    await this.#pack.close();
    const { directory, ledger } = this.#to;
    // A large payload that turned out to be known has made the directory.
    if (ledger.isEmpty) await this.discard();
    const set = ledger.isEmpty ? undefined : directory.set;
    const rows = { [Symbol.iterator]: () => ledger.rows() };
    return { set, rows, used: ledger.used, stored: ledger.stored, shared: ledger.shared };
  }

  /** Removes whatever was stored. */
  async discard(): Promise<void> {
    this.#failure ??= { error: new Error('the payloads were discarded') };
    await this.#quiet();
    await this.#pack.close();
    await this.#current?.close();
    await fs.promises.rm(this.#to.directory.path, { recursive: true, force: true });
  }

  #follow(work: Promise<unknown>): void {
    const followed = work
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => this.#under.delete(followed));
    this.#under.add(followed);
  }

  async #quiet(): Promise<void> {
    while (this.#under.size > 0) await Promise.all(this.#under);
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
