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

  seal(): void {
    this.#state = 'sealed';
    this.#decided = new Promise((resolve) => (this.#decide = resolve));
  }

  become(state: 'open' | 'committed' | 'ended'): void {
    this.#state = state;
    this.#decide();
  }
}
