import { CasError } from '../errors.js';
import type { Ref } from '../ref.js';

/** The lock that makes an ingest's writer the only one. */
export class WriterLock {
  #since: Date | undefined;

  /** Since when a writer holds it. */
  get since(): Date | undefined {
    return this.#since;
  }

  /** @throws CasError INGEST_BUSY, saying since when */
  take(ref: Ref): void {
    if (this.#since !== undefined) {
      throw new CasError('INGEST_BUSY', {
        subject: ref,
        found: `a writer since ${this.#since.toISOString()}`,
      });
    }
    this.#since = new Date();
  }

  give(): void {
    this.#since = undefined;
  }
}
