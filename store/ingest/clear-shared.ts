import fs from 'node:fs';
import { join } from 'node:path';
import { lstat, readNames } from '../files.js';

/** What containerd keeps beside the bytes of an ingest; `.tmp` is what it writes before it renames. */
const FIELD = /^(ref|startedat|updatedat|total)(\.tmp)?$/;

/** Whether a name in such a directory is that of a small file. */
export function isField(name: string): boolean {
  return FIELD.test(name);
}

/** How many bytes a field of a record may have: a ref has at most 4 KiB. */
export const FIELD_LIMIT = 64 << 10;

/** Whether a directory of an ingest is containerd's. Ours are 0700; its are 0755, which its umask may narrow. */
export function isShared(directory: string): boolean {
  const mode = lstat(directory)?.mode;
  return mode !== undefined && (Number(mode) & 0o077) !== 0;
}

/** Removes what the store has added to such a directory, and the bytes; what containerd has written stays. */
export async function clearShared(directory: string): Promise<void> {
  for (const name of await readNames(directory))
    if (!isField(name)) await fs.promises.rm(join(directory, name), { recursive: true, force: true });
}
