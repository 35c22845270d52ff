import fs, { constants } from 'node:fs';
import { join } from 'node:path';
import { close, fstat, ifPresent, isCode, onPool, open, readNames, unlink } from '../files.js';
import { bind } from '../libc.js';
import { listDirectory } from '../list-directory.js';
import type { Payload } from './location.js';
import { PACK, payloadsIn, setIn } from './set-directory.js';

const fallocate = bind('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
/** FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE of linux/falloc.h. */
const PUNCH_HOLE = 1 | 2;
/** What a hole can be smaller than only where the file system's blocks are: those of ext4 and xfs are of this size. */
const FILE_BLOCK = 4096;

/** The sets there are, whether any layer has them or not: also what a crash has left. */
export async function sets(root: string): Promise<string[]> {
  const names = await readNames(payloadsIn(root));
  return names.filter((name) => /^[0-9a-f]{12}$/.test(name)).sort();
}

/** Removes a set with all that is in it. One that is not there is fine. */
export async function removeSet(root: string, set: string): Promise<void> {
  await onPool(fs.promises.rm(setIn(root, set), { recursive: true, force: true }));
}

/**
 * Frees the space of what is not kept of a set: files are removed, and holes are made in the pack, so that what is kept
 * stays where it is. Where a file system has no holes, the pack stays as it is. A set without anything to keep is removed.
 * @param keep - payloads that are needed; those of other sets do not count
 */
export async function trim(root: string, set: string, keep: Iterable<Payload>): Promise<void> {
  const names = new Set<string>();
  const ranges: Range[] = [];
  for (const { digest, size, location } of keep) {
    if (location.set !== set) continue;
    if (location.offset === undefined) names.add(digest.toString('hex'));
    else ranges.push([location.offset, location.offset + size]);
  }
  if (names.size + ranges.length === 0) return removeSet(root, set);
  if (ranges.length > 0) names.add(PACK);
  const directory = setIn(root, set);
  const unneeded: string[] = [];
  for await (const batch of listDirectory(directory))
    unneeded.push(...batch.map(({ name }) => name).filter((name) => !names.has(name)));
  for (const name of unneeded) await ifPresent(unlink(join(directory, name)));
  if (ranges.length > 0) await punch(join(directory, PACK), ranges);
}

type Range = readonly [start: number, end: number];

/** Makes holes of the whole blocks of a file that lie in none of the ranges. */
async function punch(path: string, ranges: Range[]): Promise<void> {
  const fd = await open(path, constants.O_RDWR);
  try {
    const size = Number(fstat(fd).size);
    let end = 0;
    for (const [start, next] of [...ranges.sort(([a], [b]) => a - b), [size, size] as const]) {
      const hole = Math.ceil(end / FILE_BLOCK) * FILE_BLOCK;
      // The last block of a file may be shorter.
      const length = (start === size ? size : Math.floor(start / FILE_BLOCK) * FILE_BLOCK) - hole;
      if (length > 0) await onPool(fallocate.later(fd, PUNCH_HOLE, hole, length));
      end = Math.max(end, next);
    }
  } catch (error) {
    if (!isCode(error, 'EOPNOTSUPP')) throw error;
  } finally {
    await close(fd);
  }
}
