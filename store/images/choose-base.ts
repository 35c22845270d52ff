import type { IndexSnapshot } from './index-file.js';
import type { ImageIndexJson } from './index-json.js';
import { countChanges } from './merge.js';

/**
 * Which of the snapshots that a writer has read, the oldest first, it made its text of: the one that this changes least,
 * and of those the newest. What is in one it has not read or not gone by was not left out by it. One that it does not
 * change at all is none: whoever writes wants a change.
 */
export function chooseBase(
  read: readonly IndexSnapshot[],
  written: ImageIndexJson,
): IndexSnapshot | undefined {
  let chosen = read.at(-1);
  let least = Infinity;
  for (const snapshot of read.slice().reverse()) {
    const changes = countChanges(snapshot.index, written);
    if (changes === 0 || changes >= least) continue;
    [chosen, least] = [snapshot, changes];
  }
  return chosen;
}
