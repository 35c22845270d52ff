import { setTimeout as sleep } from 'node:timers/promises';
import { mounts } from '../fs/mounts.js';
import { isCasError } from '../store/errors.js';
import { openStore, type Store, type StoreOptions } from '../store/store.js';
import { OUR_TYPE } from './mount-type.js';

/** How long, in milliseconds, a daemon that has lost its mount may take to close its store. */
const PATIENCE = 15_000;
const PAUSE = 20;

/**
 * Opens a store. One that is locked but not mounted belongs to a daemon that is ending, as after `fusermount3 -u` or
 * `kill -9`, and is waited for.
 * @throws what openStore throws
 */
export async function openFreeStore(root: string, options: StoreOptions): Promise<Store> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    try {
      return await openStore(root, options);
    } catch (error) {
      const locked = isCasError(error, 'STORE_LOCKED');
      if (!locked || isMounted(root) || performance.now() > deadline) throw error;
      await sleep(PAUSE);
    }
  }
}

function isMounted(root: string): boolean {
  return mounts().some(({ type, source }) => type === OUR_TYPE && source === root);
}
