import { CasError } from '../errors.js';
import type { Report } from '../report.js';
import type { Ingest } from './ingest.js';

/**
 * Bytes of an ingest that are not those that were written, as after a power cut on a disk that lies. They are cut off, so
 * that the transfer can go on from there, and who is writing behind them is told.
 */
export class Damage {
  readonly #ingest: Ingest;
  readonly #report: Report;
  #error: CasError | undefined;
  #cutting = false;

  constructor(ingest: Ingest, report: Report) {
    this.#ingest = ingest;
    this.#report = report;
  }

  /** Why the writer of this session can write no more. */
  get error(): CasError | undefined {
    return this.#error;
  }

  /** The reason that is to be told while the damaged bytes are being cut off. */
  get reason(): string | undefined {
    return this.#cutting ? this.#error?.message : undefined;
  }

  /** Takes note of bytes that are not what they were; those below `proven` are. */
  found(proven: number): void {
    const { ref, size, keeper } = this.#ingest;
    this.#error = new CasError('INGEST_DAMAGED', {
      subject: ref,
      expected: `${proven} whole bytes`,
      found: `other bytes than were written, before ${size}`,
    });
    const { message } = this.#error;
    keeper.noteError(message);
    this.#report({ level: 'error', message: 'ingest damaged', fields: { error: message } });
    this.#cutting = true;
    this.#ingest
      .cut(proven)
      .catch(() => undefined)
      .finally(() => (this.#cutting = false));
  }

  /** Lets a new writer write, unless what it knows of the size is about to be wrong; whether it may. */
  forgive(): boolean {
    if (!this.#cutting) this.#error = undefined;
    return !this.#cutting;
  }
}
