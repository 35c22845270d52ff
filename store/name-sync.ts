import fs from 'node:fs';
import { fsync, isBusy } from './files.js';
import { shareCalls } from './shared-call.js';
import { throwIfShutDown } from './shut-down.js';

/** Syncs that take less than this, in milliseconds, may be made at once: nobody minds waiting so long. */
const QUICK = 2;

/**
 * Makes the names in directories durable. Those who ask while a sync of the same directory runs share the next one.
 *
 * A sync for one who is alone is made at once where syncs have been quick lately, as they are on flash: a trip to the
 * thread pool adds a quarter to its time (ext4 on a loop device: 0.39 ms at once, 0.48 to 0.55 ms on the pool), and
 * sharing has nothing to gain.
 *
 * A disk that hangs in such a sync holds up every request until it answers, as it does in each other operation that is
 * made at once. Nothing is lost by it, and it does not come again: one sync of 8 ms or more takes all to the pool until
 * they have been quick for a while.
 */
export function nameSync(): (directory: number, alone: boolean) => Promise<void> {
  const shared = new Map<number, () => Promise<void>>();
  let usual = Number.POSITIVE_INFINITY;
  const timed = async (directory: number, sync: (directory: number) => unknown): Promise<void> => {
    const began = performance.now();
    await sync(directory);
    throwIfShutDown(directory);
    const took = performance.now() - began;
    usual = usual === Number.POSITIVE_INFINITY ? took : 0.75 * usual + 0.25 * took;
  };
  return (directory, alone) => {
    if (alone && usual < QUICK && !isBusy()) return timed(directory, fs.fsyncSync);
    let call = shared.get(directory);
    if (call === undefined) {
      call = shareCalls(() => timed(directory, fsync));
      shared.set(directory, call);
    }
    return call();
  };
}
