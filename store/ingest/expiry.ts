import type { IngestStatus } from './status.js';

/** After how many milliseconds without a write an ingest is removed; Infinity: never. */
export interface Expiry {
  /** Of what was written below `ingest/` under a name its user chose. */
  readonly named: number;
  /** Of what tools write elsewhere under a name of their own, or directly under a digest. */
  readonly temporary: number;
}

export const DEFAULT_EXPIRY: Expiry = { named: Infinity, temporary: 24 * 60 * 60 * 1000 };

/** Whether nobody has written the ingest for too long. A clock that was set back makes nothing older. */
export function isExpired({ ref, updatedAt, startedAt }: IngestStatus, expiry: Expiry, now: Date): boolean {
  const age = ref.startsWith('/') ? expiry.temporary : expiry.named;
  const last = Math.max(updatedAt.getTime(), startedAt.getTime());
  return now.getTime() - last > age;
}
