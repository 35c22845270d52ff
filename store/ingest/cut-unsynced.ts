import fs from 'node:fs';
import { bootId } from '../boot.js';
import { isCode } from '../files.js';
import type { Report } from '../report.js';
import { removeSeals } from './checkpoints/state-files.js';
import { type FoundIngest, readText } from './read-record.js';
import { writeBoot } from './record.js';

/**
 * Cuts off what was not synced before another boot, on a file system that may show bytes that were never written. What
 * was never synced at all is left whole.
 *
 * It is done once in a boot, which is then written down: bytes that come later are in the page cache, whatever is
 * killed. Where there is no room to write it down the seals are removed: a recovery that knows nothing cuts nothing off.
 * @returns the size that is left
 */
export async function cutUnsynced(found: FoundIngest, report: Report): Promise<number> {
  const { record, size, seals } = found;
  const boot = bootId();
  if (seals.length === 0 || seals.some((seal) => seal.boot === boot)) return size;
  if ((await readText(record.directory, 'boot')) === boot) return size;
  const synced = Math.min(size, Math.max(...seals.map((seal) => seal.size)));
  if (synced < size) {
    await fs.promises.truncate(record.data, synced);
    const fields = { ref: record.ref, size: synced, before: size };
    report({ level: 'warn', message: 'ingest cut to what was on the disk before the restart', fields });
  }
  await writeBoot(record.directory, boot).catch(async (error: unknown) => {
    if (!isCode(error, 'ENOSPC') && !isCode(error, 'EDQUOT')) throw error;
    await removeSeals(record.directory);
  });
  return synced;
}
