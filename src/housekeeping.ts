import type { Store } from '../store/store.js';
import { errorFields, type Log } from './log.js';

/** How often, in milliseconds, ingests are looked through for those that have expired. */
const INTERVAL = 15 * 60 * 1000;

/**
 * Opens the indexes of labels and layers, puts right what an earlier run left of its ingests and layers, and removes those that have expired,
 * now and from time to time.
 * Nobody waits for it.
 * @returns what ends it
 */
export function keepHouse(store: Store, log: Log): () => void {
  const sweep = (): void => {
    store.ingests.expire().catch((error: unknown) => {
      log.error(errorFields(error), 'ingests cannot be looked through');
    });
  };
  const timer = setInterval(sweep, INTERVAL);
  timer.unref();
  sweep();
  store.labels.start();
  store.layers.start();
  return () => clearInterval(timer);
}
