import fs from 'node:fs';
import { basename, join } from 'node:path';
import { close, ifPresent, isCode, lstat, open, rename, unlink } from '../files.js';
import { parseRef, type Ref } from '../ref.js';
import { getXattr, removeFileXattr, removeXattr, setFileXattr } from '../xattrs.js';
import { createDirectory, dataPath, type IngestRecord, keyOf, type SettledRecord } from './record.js';

/*
 * Most ingests are committed within milliseconds, and a directory with a `ref` file costs a third of what all the
 * rest of a small commit costs (ext4: 0.23 ms against 0.31 ms for a 4 KiB file). So a new ingest is one file,
 * `<root>/fresh/<sha256 of the ref>`, whose ref is an extended attribute; it gets its directory when it outlives
 * its first second, is moved, or is declared something of.
 */

const REF = 'user.cas.ref';
const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;

/** No extended attributes here, or none as long as this ref, or none on a file that its owner may not write. */
const NO_XATTR = ['EOPNOTSUPP', 'E2BIG', 'ERANGE', 'ENOSPC', 'EACCES'];

/** Makes the data file of a new ingest. What a crash left in its place is replaced. */
export async function createFresh(
  root: string,
  ref: Ref,
  mode: number,
): Promise<{ record: IngestRecord; data: number }> {
  const path = join(root, 'fresh', keyOf(ref));
  const data = await open(path, O_RDWR | O_CREAT | O_EXCL, mode).catch(async (error: unknown) => {
    if (!isCode(error, 'EEXIST')) throw error;
    await unlink(path);
    return open(path, O_RDWR | O_CREAT | O_EXCL, mode);
  });
  const record = { ref, data: path, directory: undefined, startedAt: new Date() };
  try {
    return { record: await nameFresh(root, record, data), data };
  } catch (error) {
    await close(data);
    await ifPresent(unlink(path));
    throw error;
  }
}

async function nameFresh(root: string, record: IngestRecord, data: number): Promise<IngestRecord> {
  try {
    await setFileXattr(data, REF, Buffer.from(record.ref));
    return record;
  } catch (error) {
    if (!NO_XATTR.some((code) => isCode(error, code))) throw error;
    return settleFresh(root, record);
  }
}

/** Gives an ingest its directory. A crash in between leaves the file where it was. */
export async function settleFresh(root: string, record: IngestRecord): Promise<SettledRecord> {
  if (record.directory !== undefined) return { ...record, directory: record.directory };
  const directory = await createDirectory(join(root, 'ingest'), record.ref);
  const data = dataPath(directory);
  await rename(record.data, data);
  // Left in place it would be the blob's in the end.
  await removeXattr(data, REF).catch(() => undefined);
  return { ...record, directory, data };
}

/** Forgets the ref of a fresh ingest that is about to be a blob. */
export async function forgetRef(fd: number): Promise<void> {
  await removeFileXattr(fd, REF).catch((error: unknown) => {
    if (!isCode(error, 'ENODATA') && !isCode(error, 'EOPNOTSUPP')) throw error;
  });
}

/**
 * Makes the directory of fresh ingests. Those that an earlier run left there get directories of their own; one that
 * has no ref yet has no bytes either.
 */
export async function openFresh(root: string): Promise<void> {
  await fs.promises.mkdir(join(root, 'fresh'), { recursive: true, mode: 0o700 });
  for (const name of await fs.promises.readdir(join(root, 'fresh'))) {
    const data = join(root, 'fresh', name);
    const record = readFresh(data);
    if (record === undefined) await unlink(data);
    else await settleFresh(root, record);
  }
}

function readFresh(data: string): IngestRecord | undefined {
  const text = getXattr(data, REF)?.toString();
  const stats = lstat(data);
  if (text === undefined || stats?.isFile() !== true) return undefined;
  const ref = parseRef(text);
  if (keyOf(ref) !== basename(data)) return undefined;
  return { ref, data, directory: undefined, startedAt: stats.birthtime };
}
