import { constants } from 'node:fs';
import type { Awaitable, DirEntry, Name, Node } from './node.js';

/** Takes an entry and the offset after it; false when it no longer fits. */
export type Accept = (entry: DirEntry, next: number) => boolean;

/** Offsets count entries from 1, `.` and `..` first. */
export const DOTS = 2;

/** `.` and `..` of the directory with that inode number. */
export function dots(ino: number): [DirEntry, DirEntry] {
  const type = constants.S_IFDIR;
  return [
    { name: '.' as Name, ino, type },
    { name: '..' as Name, ino, type },
  ];
}

/**
 * Offers the entries of a directory that can be read from anywhere, from `offset` on, to `accept` until it declines or
 * the directory ends. It does not pause as long as batches are there at once.
 */
export function listBatches(node: Node, ino: number, offset: number, accept: Accept): Awaitable<void> {
  for (const [index, entry] of dots(ino).entries())
    if (offset <= index && !accept(entry, index + 1)) return undefined;
  return listFrom(node, Math.max(DOTS, offset), accept);
}

function listFrom(node: Node, offset: number, accept: Accept): Awaitable<void> {
  for (let position = offset; ;) {
    const batch = node.batch?.(position - DOTS) ?? [];
    if (batch instanceof Promise) {
      return batch.then((entries) => {
        const next = give(entries, position, accept);
        return next === undefined ? undefined : listFrom(node, next, accept);
      });
    }
    const next = give(batch, position, accept);
    if (next === undefined) return undefined;
    position = next;
  }
}

/** The position after a batch; undefined where nothing more is wanted, or there is nothing more. */
function give(batch: readonly DirEntry[], position: number, accept: Accept): number | undefined {
  let next = position;
  for (const entry of batch) {
    next++;
    if (entry.hidden !== true && !accept(entry, next)) return undefined;
  }
  return batch.length === 0 ? undefined : next;
}
