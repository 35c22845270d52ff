import type { IngestStatus } from './status.js';

/** After how many milliseconds without a write an ingest is removed; Infinity: never. */
export interface Expiry {
  /** Of what was written below `ingest/` under a name its user chose. */
  readonly named: number;
  /** Of what tools write elsewhere or as oras does, under a name of their own, or directly under a digest. */
  readonly temporary: number;
}

export const DEFAULT_EXPIRY: Expiry = { named: Infinity, temporary: 24 * 60 * 60 * 1000 };

/** What oras-go calls its temporary files in `ingest/`: the digest to be, and a number of 32 bits. */
const OF_ORAS = /^([0-9a-f]{64}|[0-9a-f]{128})_\d{1,10}$/;

/** Whether nobody has written the ingest for too long. A clock that was set back makes nothing older. */
export function isExpired({ ref, updatedAt, startedAt }: IngestStatus, expiry: Expiry, now: Date): boolean {
  const age = ref.startsWith('/') || OF_ORAS.test(ref) ? expiry.temporary : expiry.named;
  const last = Math.max(updatedAt.getTime(), startedAt.getTime());
  return now.getTime() - last > age;
}
