import { CasError } from '../errors.js';
import type { Ref } from '../ref.js';

/**
 * Where an ingest is in its life. `sealed`: it is being committed or removed, and it is not yet known how that ends.
 * `committed`: its bytes are a blob, and its name is kept. `ended`: it is gone.
 */
export class Life {
  #state: 'open' | 'sealed' | 'committed' | 'ended' = 'open';
  #decided = Promise.resolve();
  #decide: () => void = () => undefined;

  get state(): 'open' | 'sealed' | 'committed' | 'ended' {
    return this.#state;
  }

  /** Settles when it is known what becomes of a sealed ingest. */
  get decided(): Promise<void> {
    return this.#decided;
  }

  /** @throws CasError INGEST_SEALED */
  checkOpen(ref: Ref): void {
    if (this.#state !== 'open') throw new CasError('INGEST_SEALED', { subject: ref });
  }

  /**
   * What a change must wait for, before it asks again.
   * @throws CasError INGEST_SEALED where there is nothing to wait for
   */
  decision(ref: Ref): Promise<void> | undefined {
    if (this.#state === 'sealed') return this.#decided;
    this.checkOpen(ref);
    return undefined;
  }

  seal(): void {
    this.#state = 'sealed';
    this.#decided = new Promise((resolve) => (this.#decide = resolve));
  }

  become(state: 'open' | 'committed' | 'ended'): void {
    this.#state = state;
    this.#decide();
  }
}
