import type { PendingPayload } from '../payloads/destination.js';
import type { PayloadWriter } from '../payloads/writer.js';
import type { SplitRecord } from '../split/record.js';
import type { TarEntry } from '../tar/entry.js';
import type { TarSink } from '../tar/sink.js';
import type { FoundEntry } from './build-tree.js';

/** How many entries are kept in memory, some 20 MB, so that a tree is made without reading their headers again. */
const MOST_KEPT = 50_000;

interface Part {
  readonly raw: Buffer;
  readonly entry: boolean;
  readonly pending?: PendingPayload;
}

/**
 * Turns what a framer tells into the records of a split tar, and hands the contents of files to the payloads. A record
 * is whole once its payload is known. All bytes are copied.
 */
export class Splitter implements TarSink {
  readonly #payloads: PayloadWriter;
  readonly #survey: (entry: TarEntry) => void;
  /** The entry whose data is being given. */
  #current: TarEntry | undefined;
  #raw: Buffer[] = [];
  #parts: Part[] = [];
  #ended = false;
  #found: { readonly entry: TarEntry; readonly pending: PendingPayload | undefined }[] = [];
  entries = 0;

  /** @param survey is shown each entry */
  constructor(payloads: PayloadWriter, survey: (entry: TarEntry) => void) {
    this.#payloads = payloads;
    this.#survey = survey;
  }

  raw(bytes: Buffer): void {
    // What follows the archive may be of any length.
    const raw = Buffer.from(bytes);
    if (this.#ended) this.#parts.push({ raw, entry: false });
    else this.#raw.push(raw);
  }

  entry(entry: TarEntry): void {
    this.entries++;
    this.#survey(entry);
    if (entry.stored > 0) {
      this.#current = entry;
      this.#payloads.begin(entry.stored);
      return;
    }
    this.#keep(entry);
    this.#parts.push({ raw: this.#takeRaw(), entry: true });
  }

  data(bytes: Buffer): void {
    this.#payloads.data(bytes);
  }

  dataEnd(): void {
    const pending = this.#payloads.end();
    if (this.#current) this.#keep(this.#current, pending);
    this.#parts.push({ raw: this.#takeRaw(), entry: true, pending });
  }

  archiveEnd(): void {
    this.#ended = true;
    this.end();
  }

  /** Nothing more comes. */
  end(): void {
    const raw = this.#takeRaw();
    if (raw.length > 0) this.#parts.push({ raw, entry: false });
  }

  /** The records that are whole, in the order of the tar, up to the first that is not. */
  take(): SplitRecord[] {
    const records: SplitRecord[] = [];
    for (const { raw, entry, pending } of this.#parts) {
      if (pending === undefined) records.push({ raw, entry });
      else if (pending.payload === undefined) break;
      else records.push({ raw, entry, payload: pending.payload });
    }
    this.#parts = this.#parts.slice(records.length);
    return records;
  }

  /** All entries with their payloads, once these are known; undefined where they are too many to be kept. */
  get found(): FoundEntry[] | undefined {
    if (this.entries > MOST_KEPT) return undefined;
    return this.#found.map(({ entry, pending }) => ({ entry, payload: pending?.payload }));
  }

  #keep(entry: TarEntry, pending?: PendingPayload): void {
    if (this.entries <= MOST_KEPT) this.#found.push({ entry, pending });
    else this.#found = [];
  }

  #takeRaw(): Buffer {
    const [first = Buffer.alloc(0), ...others] = this.#raw;
    this.#raw = [];
    return others.length === 0 ? first : Buffer.concat([first, ...others]);
  }
}
