import { setImmediate } from 'node:timers/promises';

/** Makes a function to be called, and awaited, once for each piece of work: every so often it lets other work run. */
export function takingTurns(every: number): () => Promise<void> | undefined {
  let done = 0;
  return () => (++done % every === 0 ? setImmediate() : undefined);
}
