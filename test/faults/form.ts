import type { ExecutionContext } from 'ava';
import { AS_ROOT, type Variant } from '../e2e/variants.js';

/** Whether the faults are tested in full, which takes half an hour, or a spread of them. */
export const FULL = process.env['CAS_FAULTS'] === 'full';

/** The variants to test: the full form has both transports, the short one the kernel's. */
export const VARIANTS: readonly Variant[] = FULL ? AS_ROOT : AS_ROOT.slice(0, 1);

/** The longest that a test may go without an assertion, in milliseconds. */
export const LIMIT = 240_000;

/**
 * How long, in milliseconds, a call may take until it is answered (I8), and a restart (I5). The short form is run beside
 * other tests on any machine, which may be busy: there it tells what hangs. The full form, run by itself, tells what is slow.
 */
export const ANSWER = FULL ? 10_000 : 60_000;
export const RESTART = FULL ? 5000 : 60_000;

/** `few` numbers of 1 to `count`, evenly spread, the first and the last among them; all in the full form. */
export function spread(count: number, few: number): number[] {
  if (FULL || few >= count) return Array.from({ length: count }, (_, index) => index + 1);
  return Array.from(
    { length: few },
    (_, index) => 1 + Math.round((index * (count - 1)) / Math.max(1, few - 1)),
  );
}

/** Random numbers that are the same for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number of `low` to `high`. */
  between(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  /** A size of `low` to `high` whose magnitude is random, so that small ones are as likely as large ones. */
  size(low: number, high: number): number {
    return Math.round(low * (high / low) ** this.#next());
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** Random numbers for a test, which logs their seed; CAS_TEST_SEED chooses another. */
export function randomFor(t: ExecutionContext): Random {
  const seed = Number(process.env['CAS_TEST_SEED'] ?? 20_250_101);
  t.log(`seed ${seed}`);
  return new Random(seed);
}
