/** Lets actions follow one another, in the order they were asked for. */
export class Lane {
  #last: Promise<void> | undefined;

  /** Settles when what was asked for last is done; undefined where nothing is under way. */
  get busy(): Promise<void> | undefined {
    return this.#last;
  }

  /** Acts once everything before is done, whether it succeeded or not. */
  run<T>(action: () => Promise<T>): Promise<T> {
    const acted = (this.#last ?? Promise.resolve()).then(action);
    const ended = acted
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        if (this.#last === ended) this.#last = undefined;
      });
    this.#last = ended;
    return acted;
  }

  /** Settles when nothing is under way. */
  async quiet(): Promise<void> {
    while (this.#last !== undefined) await this.#last;
  }
}
