import type { Ref } from '../ref.js';
import type { Expectations, IngestRecord } from './record.js';

/** What is known of an ingest beside its record. */
interface Known {
  /** Bytes whose digest is known, from the start of the file. */
  readonly offset: number;
  readonly size: number;
  readonly updatedAt: Date;
  /** Since when a writer holds it. */
  readonly lockedSince?: Date | undefined;
}

/** What can be seen of an ingest from outside. */
export interface IngestStatus extends Known, Expectations {
  readonly ref: Ref;
  readonly startedAt: Date;
  /** Why the last commit was refused. */
  readonly error?: string | undefined;
}

/** The status of an ingest; what is not known is left out. */
export function statusOf(
  { ref, startedAt, total, expected, error }: IngestRecord,
  known: Known,
): IngestStatus {
  const { offset, size, updatedAt, lockedSince } = known;
  return {
    ref,
    offset,
    size,
    startedAt,
    updatedAt,
    ...(total === undefined ? {} : { total }),
    ...(expected === undefined ? {} : { expected }),
    ...(lockedSince === undefined ? {} : { lockedSince }),
    ...(error === undefined ? {} : { error }),
  };
}
