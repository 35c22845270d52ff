import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../../store/layers/split-tar.js';
import type { RegistrationLine } from './protocol.js';

/** Between two lines that tell of progress, in milliseconds. */
const PERIOD = 200;

/** Work that takes long. */
export type Work<T> = (progress: (progress: Progress) => void) => Promise<T>;

/** Tells how far work has come while it is under way, and then what came of it. @throws as the work */
export async function* withProgress<T extends object>(work: Work<T>): AsyncGenerator<RegistrationLine | T> {
  const ended = new AbortController();
  let latest: Progress | undefined;
  const done = work((progress) => (latest = progress)).finally(() => ended.abort());
  // It fails for whoever reads to the end, if anybody does.
  done.catch(() => undefined);
  let told: Progress | undefined;
  while (!ended.signal.aborted) {
    await sleep(PERIOD, undefined, { signal: ended.signal }).catch(() => undefined);
    if (latest === undefined || latest === told) continue;
    told = latest;
    yield { progress: { bytes: told.bytes, total: told.total ?? null, entries: told.entries } };
  }
  yield await done;
}
