/** The time over which a rate is taken, and the parts that it moves on by, in milliseconds. */
const WINDOW = 4000;
const STEP = 250;
const STEPS = WINDOW / STEP;

/**
 * How fast bytes come: a sliding window over the last {@link WINDOW} ms. Times are milliseconds of a clock that never
 * goes back.
 */
export class Rate {
  readonly #bytes = new Float64Array(STEPS);
  #began: number | undefined;
  /** The step that the latest bytes came in, counted from the clock's zero. */
  #latest = 0;

  add(bytes: number, now: number): void {
    this.#began ??= now;
    this.#moveTo(Math.floor(now / STEP));
    const at = this.#latest % STEPS;
    this.#bytes[at] = (this.#bytes[at] ?? 0) + bytes;
  }

  /** Bytes per second; 0 once nothing came for the whole window. Undefined in the first {@link STEP} ms. */
  at(now: number): number | undefined {
    if (this.#began === undefined || now - this.#began < STEP) return undefined;
    const step = Math.floor(now / STEP);
    this.#moveTo(step);
    const from = Math.max(this.#began, (step - STEPS + 1) * STEP);
    return (1000 * this.#bytes.reduce((sum, bytes) => sum + bytes, 0)) / (now - from);
  }

  /** Forgets what the window has left behind. */
  #moveTo(step: number): void {
    const passed = Math.min(step - this.#latest, STEPS);
    for (let index = 0; index < passed; index++) this.#bytes[(step - index) % STEPS] = 0;
    this.#latest = step;
  }
}
