import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { createFile, ifPresent, isCode, rename, replaceFile, rmdir, unlink } from '../files.js';
import type { Ref } from '../ref.js';
import { clearShared, isShared, makeOwnDirectory } from './clear-shared.js';

/** What is declared of an ingest before its bytes are complete. */
export interface Expectations {
  readonly total?: number | undefined;
  readonly expected?: Digest | undefined;
}

/**
 * What is on disk of an ingest. Its directory `<root>/ingest/<sha256 of the ref>/` is as containerd's content store
 * has it: `ref`, `data`, `startedat`, `updatedat`, `total`; ours are `expected`, `error`, `failure`, `boot`, `mode` while
 * a commit is under way, and the checkpoints. Only `ref` and `data` are always there; where the times are missing, those
 * of the file system stand for them.
 */
export interface IngestRecord extends Expectations {
  readonly ref: Ref;
  /** The path of the data file. */
  readonly data: string;
  /** Undefined while the ingest is fresh. */
  readonly directory: string | undefined;
  /** The directory is containerd's, and its `ref` is that by which containerd knows it; see {@link SharedDirectories}. */
  readonly shared?: true;
  /** What a fresh ingest's file is to have once it has a directory. */
  readonly permissions?: number;
  readonly startedAt: Date;
  /** Why the last commit was refused. */
  readonly error?: string | undefined;
  /** The error of a sync, which is final. */
  readonly failure?: string | undefined;
}

/** A record that has its directory. */
export type SettledRecord = IngestRecord & { readonly directory: string };

/** The directory name of a ref: its sha256, so that no ref is ever part of a path. */
export function keyOf(ref: Ref): string {
  return createHash('sha256').update(ref).digest('hex');
}

export function dataPath(directory: string): string {
  return join(directory, 'data');
}

/** Makes the directory of an ingest, with its ref in it. What a crash left half-made is replaced. */
export async function createDirectory(parent: string, ref: Ref): Promise<string> {
  const directory = join(parent, keyOf(ref));
  await makeOwnDirectory(directory).catch(async (error: unknown) => {
    if (!isCode(error, 'EEXIST')) throw error;
    checkOurs(directory, ref);
    await removeDirectory(directory);
    await makeOwnDirectory(directory);
  });
  try {
    await createFile(join(directory, 'ref'), ref);
  } catch (error) {
    await removeDirectory(directory).catch(() => undefined);
    throw error;
  }
  return directory;
}

/** What containerd keeps, and who looks into its directory, is not ours to replace. @throws CasError INGEST_EXISTS */
function checkOurs(directory: string, ref: Ref): void {
  if (isShared(directory))
    throw new CasError('INGEST_EXISTS', { subject: ref, found: "a directory of containerd's" });
}

/** Writes the times, which an ingest that is committed at once never needs on disk. */
export async function writeTimes(record: SettledRecord, updatedAt: Date): Promise<void> {
  await replaceFile(join(record.directory, 'startedat'), record.startedAt.toISOString());
  await replaceFile(join(record.directory, 'updatedat'), updatedAt.toISOString());
}

/** Writes or removes what is declared. */
export async function writeExpectations(directory: string, { total, expected }: Expectations): Promise<void> {
  await writeField(directory, 'total', total?.toString(), true);
  await writeField(directory, 'expected', expected, true);
}

/** Writes or removes why the last commit was refused, or the error of a sync. */
export function writeNote(
  directory: string,
  name: 'error' | 'failure',
  text: string | undefined,
): Promise<void> {
  return writeField(directory, name, text);
}

/**
 * Writes down the permissions that a commit is about to take from the data file, so that a crash in its middle does
 * not leave an ingest that its owner cannot write; undefined once the commit is decided.
 */
export function writeMode(directory: string, permissions: number | undefined): Promise<void> {
  return writeField(directory, 'mode', permissions?.toString(8));
}

/** Writes down the boot in which it was last decided what of its bytes to keep. A power cut may lose it. */
export function writeBoot(directory: string, boot: string): Promise<void> {
  return writeField(directory, 'boot', boot);
}

/** Writes a field of the record, or removes it where it has no value. */
async function writeField(
  directory: string,
  name: string,
  value: string | undefined,
  durable = false,
): Promise<void> {
  const path = join(directory, name);
  if (value === undefined) await ifPresent(unlink(path));
  else await replaceFile(path, value, durable);
}

/** Moves a record to another ref. The `ref` file changes first and is what a recovery goes by. */
export async function moveRecord(record: SettledRecord, ref: Ref): Promise<SettledRecord> {
  const directory = join(record.directory, '..', keyOf(ref));
  checkOurs(directory, ref);
  await replaceFile(join(record.directory, 'ref'), ref, true);
  try {
    await fs.promises.rename(record.directory, directory);
  } catch (error) {
    await replaceFile(join(record.directory, 'ref'), record.ref);
    throw error;
  }
  return { ...record, ref, directory, data: dataPath(directory) };
}

/** Ends a {@link moveRecord} that a crash cut short: the directory follows the ref. Undefined where another has it. */
export async function finishMove(record: SettledRecord): Promise<SettledRecord | undefined> {
  if (record.shared) return record;
  const directory = join(record.directory, '..', keyOf(record.ref));
  if (directory === record.directory) return record;
  if (isShared(directory)) return undefined;
  try {
    await rename(record.directory, directory);
  } catch (error) {
    if (isCode(error, 'ENOTEMPTY') || isCode(error, 'EEXIST')) return undefined;
    throw error;
  }
  return { ...record, directory, data: dataPath(directory) };
}

/** Removes what is on disk of an ingest. */
export async function removeRecord({ directory, data, shared }: IngestRecord): Promise<void> {
  if (directory === undefined) await ifPresent(unlink(data));
  else if (shared) await clearShared(directory);
  else await removeDirectory(directory);
}

/** Removes an ingest's directory and all in it. Without data it is none; bytes without a ref would be taken for lost. */
export async function removeDirectory(directory: string): Promise<void> {
  await ifPresent(unlink(dataPath(directory)));
  await ifPresent(unlink(join(directory, 'ref')));
  await rmdir(directory).catch(async (error: unknown) => {
    if (isCode(error, 'ENOENT')) return;
    await fs.promises.rm(directory, { recursive: true, force: true });
  });
}
