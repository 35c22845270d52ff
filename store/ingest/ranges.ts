/** What a change under way may alter. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly done: Promise<unknown>;
}

/** The changes of a file that are under way, so that those that overlap can be made one after the other. */
export class Ranges {
  readonly #underWay = new Set<Range>();

  /** Whether any change is under way. */
  get underWay(): boolean {
    return this.#underWay.size > 0;
  }

  /** Counts a change of [start, end) as under way until `change` settles. */
  async during<T>(start: number, end: number, change: Promise<T>): Promise<T> {
    const range = { start, end, done: change.catch(() => undefined) };
    this.#underWay.add(range);
    try {
      return await change;
    } finally {
      this.#underWay.delete(range);
    }
  }

  /** Waits for changes under way that overlap [start, end). Undefined where there are none. */
  clear(start: number, end: number): Promise<void> | undefined {
    return this.#overlapping(start, end) && this.#waitFor(start, end);
  }

  /** Settles once the changes that are under way now are done. */
  async settled(): Promise<void> {
    await Promise.all([...this.#underWay].map((range) => range.done));
  }

  /** Settles when no change is under way. */
  async drained(): Promise<void> {
    while (this.#underWay.size > 0) await this.settled();
  }

  #overlapping(start: number, end: number): Range | undefined {
    for (const range of this.#underWay) if (range.start < end && start < range.end) return range;
    return undefined;
  }

  async #waitFor(start: number, end: number): Promise<void> {
    for (let range = this.#overlapping(start, end); range; range = this.#overlapping(start, end))
      await range.done;
  }
}
