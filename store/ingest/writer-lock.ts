import { CasError } from '../errors.js';
import type { Ref } from '../ref.js';
import { Holder } from './holder.js';
import { Rate } from './rate.js';

/** The lock that makes an ingest's writer the only one, and what is known of who has it. */
export class WriterLock {
  #holder: Holder | undefined;
  #rate: Rate | undefined;
  #seen = 0;

  get holder(): Holder | undefined {
    return this.#holder;
  }

  /** Since when a writer holds it. */
  get since(): Date | undefined {
    return this.#holder?.since;
  }

  /** Bytes per second; undefined where nobody writes, or has only just begun to. */
  get rate(): number | undefined {
    return this.#rate?.at(performance.now());
  }

  /**
   * `thread` is the caller's, as the kernel tells it.
   * @throws CasError INGEST_BUSY, saying who holds it and since when
   */
  take(ref: Ref, thread?: number): void {
    if (this.#holder !== undefined) throw this.busy(ref);
    this.#holder = new Holder(thread, new Date());
  }

  /** Counts what the holder has written. */
  wrote(bytes: number): void {
    if (this.#holder === undefined) return;
    this.#rate ??= new Rate();
    this.#rate.add(bytes, performance.now());
  }

  /** Tells the size of a file that the holder writes without us. */
  grewTo(size: number): void {
    if (size > this.#seen) this.wrote(size - this.#seen);
    this.#seen = size;
  }

  /** The error for whoever wants what another has. */
  busy(ref: Ref): CasError {
    const found = this.#holder && `${this.#holder.toString()} since ${this.#holder.since.toISOString()}`;
    return new CasError('INGEST_BUSY', { subject: ref, ...(found === undefined ? {} : { found }) });
  }

  give(): void {
    this.#holder = undefined;
    this.#rate = undefined;
  }
}
