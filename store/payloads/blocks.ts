/** The size of a block: at 1 MiB a trip to the thread pool is a twentieth of what hashing it takes. */
export const BLOCK = 1 << 20;

/** How many blocks that nobody uses are kept: fresh memory costs a page fault every 4 KiB. */
const SPARE = 8;

/** Memory for bytes on their way to the disk. */
export class Blocks {
  readonly #spare: Buffer[] = [];
  #taken = 0;

  /** How many are in use. */
  get taken(): number {
    return this.#taken;
  }

  take(): Buffer {
    this.#taken++;
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
  }

  give(block: Buffer): void {
    this.#taken--;
    if (this.#spare.length < SPARE) this.#spare.push(block);
  }
}
