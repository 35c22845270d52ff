import fs from 'node:fs';
import { basename, join } from 'node:path';
import { close, isCode, lstat, mkdir, open, rename, unlink } from '../files.js';
import { parseRef, type Ref } from '../ref.js';
import { getXattr, removeFileXattr, setFileXattr } from '../xattrs.js';
import { createDirectory, dataPath, type IngestRecord, keyOf, type SettledRecord } from './record.js';

/*
 * Most ingests are committed within milliseconds, and a directory with a `ref` file costs a third of what all the
 * rest of a small commit costs (ext4: 0.23 ms against 0.31 ms for a 4 KiB file). So a new ingest is one file,
 * `<root>/fresh/<sha256 of the ref>`, whose ref is an extended attribute; it gets its directory when it outlives
 * its first second, is moved, or is declared something of.
 */

const REF = 'user.cas.ref';
const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;

/** Makes the data file of a new ingest. What a crash left in its place is replaced. */
export async function createFresh(
  root: string,
  ref: Ref,
  mode: number,
): Promise<{ record: IngestRecord; data: number }> {
  const path = join(root, 'fresh', keyOf(ref));
  const data = await open(path, O_RDWR | O_CREAT | O_EXCL, mode).catch(async (error: unknown) => {
    if (isCode(error, 'ENOENT')) await mkdir(join(root, 'fresh'), 0o700);
    else if (isCode(error, 'EEXIST')) await unlink(path);
    else throw error;
    return open(path, O_RDWR | O_CREAT | O_EXCL, mode);
  });
  const record = { ref, data: path, directory: undefined, startedAt: new Date() };
  try {
    await setFileXattr(data, REF, Buffer.from(ref));
    return { record, data };
  } catch (error) {
    // No extended attributes here, or none as long as this ref.
    if (['EOPNOTSUPP', 'E2BIG', 'ERANGE', 'ENOSPC'].some((code) => isCode(error, code))) {
      return { record: await settleFresh(root, record), data };
    }
    await close(data);
    await unlink(path);
    throw error;
  }
}

/** Gives an ingest its directory. A crash in between leaves the file where it was. */
export async function settleFresh(root: string, record: IngestRecord): Promise<SettledRecord> {
  if (record.directory !== undefined) return { ...record, directory: record.directory };
  const directory = await createDirectory(join(root, 'ingest'), record.ref);
  await rename(record.data, dataPath(directory));
  return { ...record, directory, data: dataPath(directory) };
}

/** Forgets the ref of a fresh ingest that is about to be a blob. */
export async function forgetRef(fd: number): Promise<void> {
  await removeFileXattr(fd, REF).catch((error: unknown) => {
    if (!isCode(error, 'ENODATA') && !isCode(error, 'EOPNOTSUPP')) throw error;
  });
}

/** Gives the fresh ingests that an earlier run left their directories; one that has no ref yet has no bytes either. */
export async function settleAllFresh(root: string): Promise<void> {
  const names = await fs.promises.readdir(join(root, 'fresh')).catch(() => []);
  for (const name of names) {
    const data = join(root, 'fresh', name);
    const record = await readFresh(data);
    if (record === undefined) await unlink(data);
    else await settleFresh(root, record);
  }
}

async function readFresh(data: string): Promise<IngestRecord | undefined> {
  const text = getXattr(data, REF)?.toString();
  const stats = await lstat(data);
  if (text === undefined || stats?.isFile() !== true) return undefined;
  const ref = parseRef(text);
  if (keyOf(ref) !== basename(data)) return undefined;
  return { ref, data, directory: undefined, startedAt: stats.birthtime };
}
