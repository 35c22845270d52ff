import fs from 'node:fs';
import { join } from 'node:path';
import { lstat, mkdir, readNames } from '../files.js';

/** What containerd keeps beside the bytes of an ingest; `.tmp` is what it writes before it renames. */
const FIELD = /^(ref|startedat|updatedat|total)(\.tmp)?$/;

/** Whether a name in such a directory is that of a small file. */
export function isField(name: string): boolean {
  return FIELD.test(name);
}

/** How many bytes a field of a record may have: a ref has at most 4 KiB. */
export const FIELD_LIMIT = 64 << 10;

/**
 * The mode of the directories of our own ingests. The sticky bit means nothing in a directory that only its owner may
 * enter, and tells ours from containerd's: that makes its own with 0755, less its umask, and mkdir(2) hands no sticky bit
 * down. All else can be the same, also the names and contents of the files.
 */
const OWN_MODE = 0o1700;
const STICKY = 0o1000;

/** Makes the directory of an ingest of our own. */
export async function makeOwnDirectory(directory: string): Promise<void> {
  await mkdir(directory, OWN_MODE);
  // Outside Linux mkdir(2) need not set it. Without a file in it, a crash in between has the directory removed.
  if (isShared(directory)) await fs.promises.chmod(directory, OWN_MODE);
}

/** Whether a directory of an ingest is containerd's. */
export function isShared(directory: string): boolean {
  const mode = lstat(directory)?.mode;
  return mode !== undefined && (Number(mode) & STICKY) === 0;
}

/** Removes what the store has added to such a directory, and the bytes; what containerd has written stays. */
export async function clearShared(directory: string): Promise<void> {
  for (const name of await readNames(directory))
    if (!isField(name)) await fs.promises.rm(join(directory, name), { recursive: true, force: true });
}
