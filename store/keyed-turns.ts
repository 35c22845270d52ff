/** Lets those who are about the same key act one after the other. */
export class KeyedTurns<K> {
  readonly #last = new Map<K, Promise<unknown>>();

  /** Acts once everyone before is done with the key. */
  take<T>(key: K, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const turn = before === undefined ? action() : before.then(action);
    const done: Promise<unknown> = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(key) === done) this.#last.delete(key);
      });
    this.#last.set(key, done);
    return turn;
  }

  /** Settles when all who have a turn now are done. */
  async settled(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}
