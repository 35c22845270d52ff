import { setTimeout as sleep } from 'node:timers/promises';
import type { Algorithm, Digest } from '../digest.js';
import { codeIn, type ErrorCode } from '../errors.js';
import type { Ingest } from './ingest.js';
import type { Ingests } from './ingests.js';
import { etaOf, type IngestStatus, percentOf } from './status.js';

/**
 * The status of an ingest as JSON: what `.cas/status/` and `cas ingests --json` show. Keys are stable, and all are
 * always there; what is not known is null. Sizes in bytes, times in RFC 3339.
 */
export interface StatusJson {
  readonly ref: string;
  /** Bytes in the file. */
  readonly size: number;
  /** Bytes that `digest` is of, from the start of the file. */
  readonly offset: number;
  /** The declared size. */
  readonly total: number | null;
  /** 100 · size / total, rounded down to a tenth. */
  readonly percent: number | null;
  /** Bytes per second over the last 4 seconds, while it is held for writing. */
  readonly rate: number | null;
  /** Seconds until `total` is reached at `rate`, rounded up. */
  readonly eta: number | null;
  readonly algorithm: Algorithm;
  /** Null while hashing is too far behind to wait for, and where the list has too many to look at. */
  readonly digest: Digest | null;
  /** The declared digest. */
  readonly expected: Digest | null;
  readonly started: string;
  readonly updated: string;
  /** Who has it open for writing. */
  readonly holder: {
    readonly pid: number | null;
    readonly command: string | null;
    readonly since: string;
  } | null;
  /** Why the last commit was refused. */
  readonly error: { readonly code: ErrorCode | null; readonly message: string } | null;
}

/**
 * How long, in milliseconds, to wait for hashing to catch up with a writer. It is a few milliseconds behind one who
 * writes front to back, and may be seconds behind where it reads a file again.
 */
const PATIENCE = 100;

/**
 * How many ingests that an earlier run left are looked at for the digest of what it has hashed, each time that all are
 * listed: that takes a millisecond and a descriptor for each. Those that are passed over have their turn the next time.
 */
const LOADS = 64;

/** How many are asked at a time: those that are behind together cost no more than one {@link PATIENCE}. */
const BATCH = 500;

/** The status of one ingest; `patience` is how long, in milliseconds, its digest is waited for. */
export async function statusJsonOf(ingest: Ingest, patience = PATIENCE): Promise<StatusJson> {
  return within(patience, (late) => describe(ingest, true, late));
}

/** The statuses of all ingests, oldest first. */
export async function* statusJsonOfAll(ingests: Pick<Ingests, 'list' | 'get'>): AsyncGenerator<StatusJson> {
  const refs = (await ingests.list()).map(({ ref }) => ref);
  let loads = LOADS;
  for (let start = 0; start < refs.length; start += BATCH) {
    const found = refs.slice(start, start + BATCH).map((ref) => ingests.get(ref));
    const there = found.filter((named) => named !== undefined && named !== 'directory');
    const mayLoad = there.map(({ content }) => content.isLoaded || loads-- > 0);
    yield* await within(PATIENCE, (late) =>
      Promise.all(there.map((ingest, index) => describe(ingest, mayLoad[index] === true, late))),
    );
  }
}

async function describe(ingest: Ingest, load: boolean, late: Promise<undefined>): Promise<StatusJson> {
  const reached = await Promise.race([ingest.reached(load).catch(() => undefined), late]);
  const { offset, digest } = reached ?? { offset: ingest.status.offset, digest: null };
  // Bytes are hashed while they are written, and not afterwards.
  const status = { ...ingest.status, size: Math.max(ingest.size, offset) };
  const { ref, size, total = null, rate = null, algorithm, expected = null, error } = status;
  return {
    ref,
    size,
    offset,
    total,
    percent: percentOf(status) ?? null,
    rate: rate && Math.round(rate),
    eta: etaOf(status) ?? null,
    algorithm,
    digest,
    expected,
    started: status.startedAt.toISOString(),
    updated: status.updatedAt.toISOString(),
    holder: holderOf(status),
    error: error === undefined ? null : { code: codeIn(error) ?? null, message: error },
  };
}

function holderOf({ holder }: IngestStatus): StatusJson['holder'] {
  if (holder === undefined) return null;
  const { pid = null, command = null } = holder.process ?? {};
  return { pid, command, since: holder.since.toISOString() };
}

/** Does something that may go on without what is not there in time. */
async function within<T>(patience: number, action: (late: Promise<undefined>) => Promise<T>): Promise<T> {
  const end = new AbortController();
  const late = sleep(patience, undefined, { signal: end.signal });
  late.catch(() => undefined);
  try {
    return await action(late);
  } finally {
    end.abort();
  }
}
