import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { type Digest, isDigest } from '../digest.js';
import { createFile, ifPresent, isCode, lstat, mkdir, rename, replaceFile, rmdir, unlink } from '../files.js';
import { parseRef, type Ref } from '../ref.js';

/** What is declared of an ingest before its bytes are complete. */
export interface Expectations {
  readonly total?: number | undefined;
  readonly expected?: Digest | undefined;
}

/**
 * What is on disk of an ingest. Its directory `<root>/ingest/<sha256 of the ref>/` is as containerd's content store
 * has it: `ref`, `data`, `startedat`, `updatedat`, `total`; `expected` is ours. Only `ref` and `data` are always
 * there; where the times are missing, those of the file system stand for them.
 */
export interface IngestRecord extends Expectations {
  readonly ref: Ref;
  /** The path of the data file. */
  readonly data: string;
  /** Undefined while the ingest is fresh. */
  readonly directory: string | undefined;
  /** What a fresh ingest's file is to have once it has a directory. */
  readonly permissions?: number;
  readonly startedAt: Date;
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
  await mkdir(directory, 0o700).catch(async (error: unknown) => {
    if (!isCode(error, 'EEXIST')) throw error;
    await removeDirectory(directory);
    await mkdir(directory, 0o700);
  });
  try {
    await createFile(join(directory, 'ref'), ref);
  } catch (error) {
    await removeDirectory(directory).catch(() => undefined);
    throw error;
  }
  return directory;
}

/** An ingest as an earlier run left it. */
export interface FoundIngest {
  readonly record: SettledRecord;
  readonly size: number;
  readonly updatedAt: Date;
  /** Its bytes have a second name, under `blobs/`. */
  readonly linked: boolean;
}

/**
 * Reads what is in `directory`; undefined where there is no whole record, as after a crash while it was made or
 * removed. What else cannot be read is taken as not declared.
 * @throws CasError REF_INVALID, REF_TOO_LONG for a ref of another program that is none here; the system's own errors
 */
export async function readRecord(directory: string): Promise<FoundIngest | undefined> {
  const data = lstat(dataPath(directory));
  const ref = await readText(directory, 'ref');
  if (ref === undefined || data?.isFile() !== true) return undefined;
  const [startedAt, updatedAt, total, expected] = await Promise.all(
    ['startedat', 'updatedat', 'total', 'expected'].map((name) => readText(directory, name)),
  );
  const updated = readTime(updatedAt) ?? data.mtime;
  return {
    record: {
      ref: parseRef(ref),
      directory,
      data: dataPath(directory),
      startedAt: readTime(startedAt) ?? data.birthtime,
      ...(total !== undefined && /^\d{1,15}$/.test(total) ? { total: Number(total) } : {}),
      ...(expected !== undefined && isDigest(expected) ? { expected } : {}),
    },
    size: Number(data.size),
    updatedAt: updated > data.mtime ? updated : data.mtime,
    linked: data.nlink > 1n,
  };
}

/** Writes the times, which an ingest that is committed at once never needs on disk. */
export async function writeTimes(record: SettledRecord, updatedAt: Date): Promise<void> {
  await replaceFile(join(record.directory, 'startedat'), record.startedAt.toISOString());
  await replaceFile(join(record.directory, 'updatedat'), updatedAt.toISOString());
}

/** Writes or removes what is declared. */
export async function writeExpectations(directory: string, { total, expected }: Expectations): Promise<void> {
  for (const [name, value] of [
    ['total', total],
    ['expected', expected],
  ] as const) {
    const path = join(directory, name);
    if (value === undefined) await ifPresent(unlink(path));
    else await replaceFile(path, `${value}`);
  }
}

/** Moves a record to another ref. The `ref` file changes first and is what a recovery goes by. */
export async function moveRecord(record: SettledRecord, ref: Ref): Promise<SettledRecord> {
  const directory = join(record.directory, '..', keyOf(ref));
  await replaceFile(join(record.directory, 'ref'), ref);
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
  const directory = join(record.directory, '..', keyOf(record.ref));
  if (directory === record.directory) return record;
  try {
    await rename(record.directory, directory);
  } catch (error) {
    if (isCode(error, 'ENOTEMPTY') || isCode(error, 'EEXIST')) return undefined;
    throw error;
  }
  return { ...record, directory, data: dataPath(directory) };
}

/** Removes what is on disk of an ingest. */
export async function removeRecord({ directory, data }: IngestRecord): Promise<void> {
  if (directory === undefined) await ifPresent(unlink(data));
  else await removeDirectory(directory);
}

/** Removes an ingest's directory and all in it. */
export async function removeDirectory(directory: string): Promise<void> {
  await ifPresent(unlink(join(directory, 'ref')));
  await rmdir(directory).catch(async (error: unknown) => {
    if (isCode(error, 'ENOENT')) return;
    await fs.promises.rm(directory, { recursive: true, force: true });
  });
}

async function readText(directory: string, name: string): Promise<string | undefined> {
  try {
    return (await fs.promises.readFile(join(directory, name), 'utf8')) || undefined;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function readTime(text = ''): Date | undefined {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
