import { isCasError } from '../errors.js';
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

function ignoreGone(error: unknown): false {
  if (isCasError(error, 'INGEST_NOT_FOUND')) return false;
  throw error;
}
