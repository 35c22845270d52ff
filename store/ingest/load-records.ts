import fs from 'node:fs';
import { join } from 'node:path';
import { bootId } from '../boot.js';
import { CasError } from '../errors.js';
import { ensureDirectory, lstat } from '../files.js';
import { inBatches } from '../in-batches.js';
import type { Report } from '../report.js';
import { cutUnsynced } from './cut-unsynced.js';
import { openFresh } from './fresh.js';
import { type FoundIngest, readRecord, tidyRecord } from './read-record.js';
import { finishMove, type IngestRecord, removeDirectory } from './record.js';

/** An ingest that is there after an earlier run. */
export interface LoadedIngest extends Omit<FoundIngest, 'seals' | 'record'> {
  readonly record: IngestRecord;
  /** How many bytes its newest saved hash state says it has hashed, if it can be trusted. */
  readonly saved: number;
}

interface LoadContext {
  /** Whether the file system never shows bytes of a file that were not written; see durability. */
  readonly keepsOrder: boolean;
  /** When this run began. */
  readonly openedAt: Date;
  readonly report: Report;
}

/**
 * Reads what earlier runs left below `<root>/ingest` and `<root>/fresh`, and puts right what they left half done:
 *
 * - a fresh ingest gets its directory, unless the disk is full; a move to another ref is ended;
 * - a directory without a whole record is removed: its ingest was being made, removed or committed. One that came
 *   into being since this run began is another program's (containerd may use the same root), and left alone;
 * - permissions that a commit took away are given back, and half-written files of the record are removed;
 * - after another boot, on a file system that may show bytes that were never written, what was not synced is cut off.
 */
export async function loadRecords(root: string, context: LoadContext): Promise<LoadedIngest[]> {
  const parent = join(root, 'ingest');
  await ensureDirectory(parent, 0o755);
  const fresh = (await openFresh(root)).map(loadFresh).filter((ingest) => ingest !== undefined);
  const names = await fs.promises.readdir(parent);
  const keys = names.filter((name) => /^[0-9a-f]{64}$/.test(name));
  const loaded = await inBatches(keys, (key) => loadRecord(join(parent, key), context));
  return [...fresh, ...loaded.filter((ingest) => ingest !== undefined)];
}

function loadFresh(record: IngestRecord): LoadedIngest | undefined {
  const stats = lstat(record.data);
  if (stats === undefined) return undefined;
  const { size, mtime, nlink } = stats;
  return { record, size: Number(size), updatedAt: mtime, linked: nlink > 1n, saved: 0 };
}

async function loadRecord(directory: string, context: LoadContext): Promise<LoadedIngest | undefined> {
  const found = await readRecord(directory).catch((error: unknown) => {
    if (error instanceof CasError) return 'foreign' as const;
    throw error;
  });
  if (found === 'foreign') return undefined;
  if (found === undefined) {
    await removeHalfMade(directory, context);
    return undefined;
  }
  await tidyRecord(found);
  const { linked, updatedAt } = found;
  const size = context.keepsOrder || linked ? found.size : await cutUnsynced(found, context.report);
  const record = await finishMove(found.record);
  if (record === undefined) return undefined;
  return { record, size, updatedAt, linked, saved: savedOf(found, size) };
}

/** By how many milliseconds the time that the kernel gives to files may be behind: a tick, at most (CONFIG_HZ=100). */
const TICK = 10;

async function removeHalfMade(directory: string, { openedAt }: LoadContext): Promise<void> {
  const { mtimeMs } = await fs.promises.stat(directory);
  if (mtimeMs < openedAt.getTime() - TICK) await removeDirectory(directory);
}

function savedOf({ seals }: FoundIngest, size: number): number {
  const boot = bootId();
  const offsets = seals
    .filter((seal) => seal.boot === boot && seal.offset <= size)
    .map(({ offset }) => offset);
  return Math.max(0, ...offsets);
}
