import fs from 'node:fs';
import { basename, join } from 'node:path';
import { isDigest } from '../digest.js';
import { ifPresent, lstat, readNames, replaceFile, unlink } from '../files.js';
import { parseRef, type Ref, refWithin } from '../ref.js';
import { FIELD_LIMIT, isShared } from './clear-shared.js';
import { readSeals } from './checkpoints/state-files.js';
import type { WrittenSeal } from './checkpoints/seal.js';
import { dataPath, type SettledRecord, writeMode } from './record.js';

/** An ingest as an earlier run left it. */
export interface FoundIngest {
  readonly record: SettledRecord;
  readonly size: number;
  readonly updatedAt: Date;
  /** Its bytes have a second name, under `blobs/`. */
  readonly linked: boolean;
  /** What is said of its saved hash states. */
  readonly seals: readonly WrittenSeal[];
}

/**
 * Reads what is in `directory`; undefined where there is no whole record, as after a crash while it was made or
 * removed. What else cannot be read is taken as not declared. Bytes whose ref is lost are found under
 * `lost+found/<name of the directory>`.
 * @throws CasError REF_INVALID, REF_TOO_LONG for a ref of another program that is none here; the system's own errors
 */
export async function readRecord(directory: string): Promise<FoundIngest | undefined> {
  const data = lstat(dataPath(directory));
  if (data?.isFile() !== true) return undefined;
  const ref = (await readText(directory, 'ref')) ?? (data.size > 0n ? lostRef(directory) : undefined);
  if (ref === undefined) return undefined;
  const shared = isShared(directory);
  const [startedAt, updatedAt, total, expected, error, failure] = await Promise.all(
    ['startedat', 'updatedat', 'total', 'expected', 'error', 'failure'].map((name) =>
      readText(directory, name),
    ),
  );
  const updated = readTime(updatedAt) ?? data.mtime;
  return {
    record: {
      ref: shared ? refWithin(basename(directory), 'data') : parseRef(ref),
      ...(shared ? { shared } : {}),
      directory,
      data: dataPath(directory),
      startedAt: readTime(startedAt) ?? data.birthtime,
      ...totalIn(total),
      ...(expected !== undefined && isDigest(expected) ? { expected } : {}),
      ...(error === undefined ? {} : { error }),
      ...(failure === undefined ? {} : { failure }),
    },
    size: Number(data.size),
    updatedAt: updated > data.mtime ? updated : data.mtime,
    linked: data.nlink > 1n,
    seals: await readSeals(directory),
  };
}

/** Undoes what a commit had begun, removes files that were being replaced, and writes down a ref that was lost. */
export async function tidyRecord({ record, linked }: FoundIngest): Promise<void> {
  const { directory, data, ref } = record;
  if (ref === lostRef(directory)) await replaceFile(join(directory, 'ref'), ref, true);
  for (const name of await readNames(directory))
    if (name.endsWith('.tmp')) await unlink(join(directory, name));
  const mode = await readText(directory, 'mode');
  if (mode === undefined) return;
  if (!linked && /^[0-7]{1,3}$/.test(mode)) await fs.promises.chmod(data, parseInt(mode, 8));
  await writeMode(directory, undefined);
}

function lostRef(directory: string): Ref {
  return parseRef(`lost+found/${basename(directory)}`);
}

/** The size that a field declares. */
export function totalIn(text = ''): { readonly total?: number } {
  return /^\d{1,15}$/.test(text) ? { total: Number(text) } : {};
}

/** A field of a record; undefined where it has no value, or one that is none: containerd's are anybody's to write. */
export async function readText(directory: string, name: string): Promise<string | undefined> {
  const stats = lstat(join(directory, name));
  if (stats?.isFile() !== true || stats.size > FIELD_LIMIT) return undefined;
  const text = await ifPresent(fs.promises.readFile(join(directory, name), 'utf8'));
  return text === '' ? undefined : text;
}

function readTime(text = ''): Date | undefined {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
