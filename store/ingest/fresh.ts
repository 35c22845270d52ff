import fs from 'node:fs';
import { join } from 'node:path';
import { isCasError } from '../errors.js';
import { close, ensureDirectory, ifPresent, isCode, lstat, open, rename, unlink } from '../files.js';
import { parseRef, type Ref } from '../ref.js';
import {
  createDirectory,
  dataPath,
  type IngestRecord,
  keyOf,
  removeDirectory,
  type SettledRecord,
} from './record.js';

/*
 * Most ingests are committed within milliseconds, and every change of a directory or an inode costs a commit that
 * runs beside others a wait for the journal. So a new ingest is one file, `<root>/fresh/<base64url of the ref>`, made
 * with the mode it has as a blob; the mode it is shown with is kept in memory. It gets a directory when it outlives
 * its first second, is moved, or is declared something of.
 */

const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;
const READ_ONLY = 0o444;
/** What an ingest is shown with whose own permissions a crash has lost. */
const DEFAULT_PERMISSIONS = 0o644;
/** NAME_MAX. */
const NAME_MAX = 255;

/** Makes the data file of a new ingest. What a crash left in its place is replaced. */
export async function createFresh(
  root: string,
  ref: Ref,
  permissions: number,
): Promise<{ record: IngestRecord; data: number }> {
  const name = Buffer.from(ref).toString('base64url');
  // A dot is in no base64url: what a crash leaves under such a name is no ref.
  const path = join(root, 'fresh', name.length > NAME_MAX ? `.${keyOf(ref)}` : name);
  const data = await open(path, O_RDWR | O_CREAT | O_EXCL, READ_ONLY).catch(async (error: unknown) => {
    if (!isCode(error, 'EEXIST')) throw error;
    await unlink(path);
    return open(path, O_RDWR | O_CREAT | O_EXCL, READ_ONLY);
  });
  const record = { ref, data: path, directory: undefined, permissions, startedAt: new Date() };
  if (name.length <= NAME_MAX) return { record, data };
  try {
    return { record: await settleFresh(root, record), data };
  } catch (error) {
    await close(data);
    await ifPresent(unlink(path));
    throw error;
  }
}

/** Gives an ingest its directory. A crash in between leaves the file where it was. */
export async function settleFresh(root: string, record: IngestRecord): Promise<SettledRecord> {
  if (record.directory !== undefined) return { ...record, directory: record.directory };
  const { ref, startedAt, permissions = DEFAULT_PERMISSIONS } = record;
  const directory = await createDirectory(join(root, 'ingest'), ref);
  const data = dataPath(directory);
  try {
    await fs.promises.chmod(record.data, permissions);
    await rename(record.data, data);
  } catch (error) {
    await removeDirectory(directory).catch(() => undefined);
    throw error;
  }
  return { ref, directory, data, startedAt };
}

/**
 * Makes the directory of fresh ingests. Those that an earlier run left there get directories of their own.
 * @returns those that stay as they are because the disk is full, or containerd has a directory in their place
 */
export async function openFresh(root: string): Promise<IngestRecord[]> {
  await ensureDirectory(join(root, 'fresh'), 0o700);
  const left: IngestRecord[] = [];
  for (const name of await fs.promises.readdir(join(root, 'fresh'))) {
    const data = join(root, 'fresh', name);
    const record = readFresh(data, name);
    if (record === undefined) await unlink(data);
    else if (!(await hasSettled(root, record))) left.push(await makeWritable(record));
  }
  return left;
}

/** Lets the file of a fresh ingest be opened for writing by others than root. It needs no descriptor, and no room. */
export async function makeWritable(record: IngestRecord): Promise<IngestRecord> {
  const permissions = record.permissions ?? DEFAULT_PERMISSIONS;
  await fs.promises.chmod(record.data, permissions | 0o600);
  return { ...record, permissions };
}

async function hasSettled(root: string, record: IngestRecord): Promise<boolean> {
  try {
    await settleFresh(root, record);
    return true;
  } catch (error) {
    const mayStay = isCode(error, 'ENOSPC') || isCode(error, 'EDQUOT') || isCasError(error, 'INGEST_EXISTS');
    if (mayStay) return false;
    throw error;
  }
}

/** Undefined for a file whose name is no ref: it was about to get a directory, and has no bytes yet. */
function readFresh(data: string, name: string): IngestRecord | undefined {
  const stats = lstat(data);
  const text = Buffer.from(name, 'base64url').toString();
  if (stats?.isFile() !== true || Buffer.from(text).toString('base64url') !== name) return undefined;
  return { ref: parseRef(text), data, directory: undefined, startedAt: stats.birthtime };
}
