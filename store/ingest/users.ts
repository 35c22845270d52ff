/** How long, in milliseconds, a file that nobody uses any more counts as in use. */
const REST = 1000;

/** Counts who uses a file, and tells when nobody has for a while. */
export class Users {
  readonly #onRest: () => void;
  #count = 0;
  #resting: NodeJS.Timeout | undefined;

  constructor(onRest: () => void) {
    this.#onRest = onRest;
  }

  get none(): boolean {
    return this.#count === 0;
  }

  add(): void {
    this.#count++;
    this.wake();
  }

  remove(): void {
    this.#count--;
  }

  /** Begins to wait for the rest that is told of. The process may end meanwhile. */
  rest(): void {
    this.#resting = setTimeout(this.#onRest, REST);
    this.#resting.unref();
  }

  /** Ends the wait. */
  wake(): void {
    clearTimeout(this.#resting);
  }
}
