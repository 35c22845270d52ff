import type { PendingPayload } from '../payloads/destination.js';
import type { PayloadWriter } from '../payloads/writer.js';
import type { SplitRecord } from '../split/record.js';
import type { TarEntry } from '../tar/entry.js';
import type { TarSink } from '../tar/sink.js';

interface Part {
  readonly raw: Buffer;
  readonly entry: boolean;
  readonly pending?: PendingPayload;
}

/**
 * Turns what a framer tells into the records of a split tar, and hands the contents of files to the payloads. A record
 * is whole once its payload is known.
 */
export class Splitter implements TarSink {
  readonly #payloads: PayloadWriter;
  readonly #survey: (entry: TarEntry) => void;
  #raw: Buffer[] = [];
  #parts: Part[] = [];
  #ended = false;
  entries = 0;

  /** @param survey is shown each entry */
  constructor(payloads: PayloadWriter, survey: (entry: TarEntry) => void) {
    this.#payloads = payloads;
    this.#survey = survey;
  }

  raw(bytes: Buffer): void {
    // What follows the archive may be of any length.
    if (this.#ended) this.#parts.push({ raw: bytes, entry: false });
    else this.#raw.push(bytes);
  }

  entry(entry: TarEntry): void {
    const { stored } = entry;
    this.entries++;
    this.#survey(entry);
    if (stored > 0) this.#payloads.begin(stored);
    else this.#parts.push({ raw: this.#takeRaw(), entry: true });
  }

  data(bytes: Buffer): void {
    this.#payloads.data(bytes);
  }

  dataEnd(): void {
    this.#parts.push({ raw: this.#takeRaw(), entry: true, pending: this.#payloads.end() });
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

  #takeRaw(): Buffer {
    const [first, ...others] = this.#raw;
    this.#raw = [];
    return others.length === 0
      ? (first ?? Buffer.alloc(0))
      : Buffer.concat([first ?? Buffer.alloc(0), ...others]);
  }
}
