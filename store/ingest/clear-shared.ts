import fs from 'node:fs';
import { join } from 'node:path';
import { readNames } from '../files.js';

/** What containerd keeps beside the bytes of an ingest; `.tmp` is what it writes before it renames. */
const FIELD = /^(ref|startedat|updatedat|total)(\.tmp)?$/;

/** Whether a name in such a directory is that of a small file. */
export function isField(name: string): boolean {
  return FIELD.test(name);
}

/** Removes what the store has added to such a directory, and the bytes; what containerd has written stays. */
export async function clearShared(directory: string): Promise<void> {
  for (const name of await readNames(directory))
    if (!isField(name)) await fs.promises.rm(join(directory, name), { recursive: true, force: true });
}
