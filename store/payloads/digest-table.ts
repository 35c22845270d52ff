import { randomInt } from 'node:crypto';
import { DIGEST } from './row.js';

const FIRST_BITS = 10;

/**
 * Digests of SHA-256, numbered from 0 in the order they were added. A million takes 42 MB in two
 * blocks that no garbage collection walks through; a Map of strings takes 77 MB of objects.
 */
export class DigestTable {
  #size = 0;
  #bits = FIRST_BITS;
  #digests = Buffer.alloc(DIGEST << (FIRST_BITS - 1));
  /** Open addressing, at most half full: the number of a digest plus one, 0 where there is none. */
  #slots = new Uint32Array(1 << FIRST_BITS);
  /** Contents whose digests begin alike can be searched for; with these nobody can know which share a slot. */
  readonly #factors = [randomInt(2 ** 31) * 2 + 1, randomInt(2 ** 31) * 2 + 1] as const;

  get size(): number {
    return this.#size;
  }

  /** The digest with that number, a view. */
  at(number: number): Buffer {
    return this.#digests.subarray(number * DIGEST, (number + 1) * DIGEST);
  }

  /** The number of a digest; undefined where it was not added. */
  find(digest: Buffer): number | undefined {
    const found = this.#slots[this.#slotOf(digest)] ?? 0;
    return found === 0 ? undefined : found - 1;
  }

  /** Adds a digest that is not there yet; its number. */
  add(digest: Buffer): number {
    if (this.#size * DIGEST === this.#digests.length) this.#grow();
    this.#digests.set(digest, this.#size * DIGEST);
    this.#slots[this.#slotOf(digest)] = ++this.#size;
    return this.#size - 1;
  }

  /** The slot that a digest has or would get. */
  #slotOf(digest: Buffer): number {
    const mask = this.#slots.length - 1;
    const [first, second] = this.#factors;
    const sum = Math.imul(digest.readUInt32LE(0), first) + Math.imul(digest.readUInt32LE(4), second);
    let slot = (sum | 0) >>> (32 - this.#bits);
    for (let entry = this.#slots[slot]; entry; entry = this.#slots[slot]) {
      const start = (entry - 1) * DIGEST;
      if (digest.compare(this.#digests, start, start + DIGEST) === 0) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #grow(): void {
    const digests = Buffer.alloc(2 * this.#digests.length);
    digests.set(this.#digests);
    this.#digests = digests;
    this.#bits++;
    this.#slots = new Uint32Array(1 << this.#bits);
    for (let number = 0; number < this.#size; number++)
      this.#slots[this.#slotOf(this.at(number))] = number + 1;
  }
}
