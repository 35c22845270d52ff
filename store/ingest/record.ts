import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { type Digest, parseDigest } from '../digest.js';
import { createFile, ifPresent, isCode, mkdir, open, replaceFile, rmdir, unlink } from '../files.js';
import { parseRef, type Ref } from '../ref.js';

/** What is declared of an ingest before its bytes are complete. */
export interface Expectations {
  readonly total?: number | undefined;
  readonly expected?: Digest | undefined;
}

/**
 * An ingest's directory `<root>/ingest/<sha256 of the ref>/`, as containerd's content store has it: `ref`,
 * `data`, `startedat`, `updatedat`, `total`; `expected` is ours. Only `ref` and `data` are always there; where
 * the times are missing, those of the file system stand for them.
 */
export interface IngestRecord extends Expectations {
  readonly ref: Ref;
  readonly directory: string;
  readonly startedAt: Date;
}

const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;

/** The directory name of a ref: its sha256, so that no ref is ever part of a path. */
export function keyOf(ref: Ref): string {
  return createHash('sha256').update(ref).digest('hex');
}

export function dataPath(directory: string): string {
  return join(directory, 'data');
}

/** Makes the directory of a new ingest and opens its data file. What a crash left half-made is replaced. */
export async function createRecord(
  parent: string,
  ref: Ref,
  mode: number,
): Promise<{ record: IngestRecord; data: number }> {
  const directory = join(parent, keyOf(ref));
  await mkdir(directory, 0o700).catch(async (error: unknown) => {
    if (!isCode(error, 'EEXIST')) throw error;
    await removeRecord(directory);
    await mkdir(directory, 0o700);
  });
  try {
    const [data] = await Promise.all([
      open(dataPath(directory), O_RDWR | O_CREAT | O_EXCL, mode),
      createFile(join(directory, 'ref'), ref),
    ]);
    return { record: { ref, directory, startedAt: new Date() }, data };
  } catch (error) {
    await removeRecord(directory).catch(() => undefined);
    throw error;
  }
}

/** Reads the record in `directory`; undefined where there is no whole one, as after a crash while it was made. */
export async function readRecord(directory: string): Promise<IngestRecord | undefined> {
  const text = await readText(directory, 'ref');
  const data = await fs.promises.lstat(dataPath(directory)).catch(() => undefined);
  if (text === undefined || data?.isFile() !== true) return undefined;
  const [startedAt, total, expected] = await Promise.all([
    readText(directory, 'startedat'),
    readText(directory, 'total'),
    readText(directory, 'expected'),
  ]);
  try {
    return {
      ref: parseRef(text),
      directory,
      startedAt: startedAt === undefined ? data.birthtime : new Date(startedAt),
      ...(total === undefined ? {} : { total: Number.parseInt(total, 10) }),
      ...(expected === undefined ? {} : { expected: parseDigest(expected) }),
    };
  } catch {
    return undefined;
  }
}

/** Writes the times, which an ingest that is committed at once never needs on disk. */
export async function writeTimes(record: IngestRecord, updatedAt: Date): Promise<void> {
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
export async function moveRecord(record: IngestRecord, ref: Ref): Promise<IngestRecord> {
  const directory = join(record.directory, '..', keyOf(ref));
  await replaceFile(join(record.directory, 'ref'), ref);
  try {
    await fs.promises.rename(record.directory, directory);
  } catch (error) {
    await replaceFile(join(record.directory, 'ref'), record.ref);
    throw error;
  }
  return { ...record, ref, directory };
}

/** Removes an ingest's directory and all in it. */
export async function removeRecord(directory: string): Promise<void> {
  await ifPresent(unlink(join(directory, 'ref')));
  await rmdir(directory).catch(async (error: unknown) => {
    if (isCode(error, 'ENOENT')) return;
    await fs.promises.rm(directory, { recursive: true, force: true });
  });
}

function readText(directory: string, name: string): Promise<string | undefined> {
  return fs.promises.readFile(join(directory, name), 'utf8').then(
    (text) => (text === '' ? undefined : text),
    () => undefined,
  );
}
