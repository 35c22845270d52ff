import { isCasError } from '../errors.js';
import { parseRef } from '../ref.js';
import type { Report } from '../report.js';
import { type Expiry, isExpired } from './expiry.js';
import type { Ingest } from './ingest.js';
import type { Ingests } from './ingests.js';

/**
 * Removes those of the ingests that nobody has written for too long and nobody has open, and tells of each.
 * @returns how many
 */
export async function expire(
  ingests: Pick<Ingests, 'remove'>,
  candidates: readonly Ingest[],
  { expiry, report }: { readonly expiry: Expiry; readonly report: Report },
  now: Date,
): Promise<number> {
  let count = 0;
  for (const ingest of candidates) {
    const { ref, size, updatedAt } = ingest.status;
    // Asked when it is its turn: while others are removed it may be opened, moved or go.
    const stale = (): boolean => !ingest.inUse && isExpired(ingest.status, expiry, now);
    if (!(await ingests.remove(ingest, stale).catch(ignoreGone))) continue;
    count++;
    const fields = { ref, size, updated: updatedAt.toISOString() };
    report({ level: 'info', message: 'ingest expired', fields });
  }
  return count;
}

/** What tools make beside the fixed directories. */
const TEMPORARY = /^\/(?!blobs(\/|$))./;

/**
 * Removes those directories outside `ingest/` that are empty and in which nobody has made anything for too long.
 * Whoever has put something there since keeps it.
 */
export async function expireDirectories(
  ingests: Pick<Ingests, 'removeDirectory' | 'onDirectoryExpired'>,
  candidates: readonly { readonly path: string; readonly touched: number }[],
  { expiry, report }: { readonly expiry: Expiry; readonly report: Report },
  now: Date,
): Promise<void> {
  for (const { path, touched } of candidates) {
    if (!TEMPORARY.test(path) || now.getTime() - touched <= expiry.temporary) continue;
    try {
      await ingests.removeDirectory(parseRef(path));
    } catch (error) {
      if (isCasError(error, 'DIRECTORY_NOT_EMPTY') || isCasError(error, 'DIRECTORY_NOT_FOUND')) continue;
      throw error;
    }
    ingests.onDirectoryExpired(path);
    report({ level: 'info', message: 'directory expired', fields: { path } });
  }
}

function ignoreGone(error: unknown): false {
  if (isCasError(error, 'INGEST_NOT_FOUND')) return false;
  throw error;
}
