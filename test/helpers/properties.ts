import type { ExecutionContext } from 'ava';

/** The seed of all random tests; CAS_TEST_SEED chooses another. */
const SEED = Number(process.env['CAS_TEST_SEED'] ?? 20_250_101);

/** Settings for fast-check: a fixed seed, which the test log shows, and a bound. A failure also says how to repeat it. */
export function propertySettings(
  t: ExecutionContext,
  numRuns: number,
): { seed: number; numRuns: number; includeErrorInReport: boolean } {
  t.log(`seed ${SEED}, ${numRuns} runs`);
  return { seed: SEED, numRuns, includeErrorInReport: true };
}
