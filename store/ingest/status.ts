import type { Algorithm } from '../digest.js';
import type { Ref } from '../ref.js';
import type { Holder } from './holder.js';
import type { Expectations, IngestRecord } from './record.js';

/** What is known of an ingest beside its record. */
interface Known {
  /** What its bytes are hashed with as they come. */
  readonly algorithm: Algorithm;
  /** Bytes whose digest is known, from the start of the file. */
  readonly offset: number;
  readonly size: number;
  readonly updatedAt: Date;
  /** Who has it open for writing. */
  readonly holder?: Holder | undefined;
  /** Bytes per second that the holder writes. */
  readonly rate?: number | undefined;
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
  const { algorithm, offset, size, updatedAt, holder, rate } = known;
  return {
    ref,
    algorithm,
    offset,
    size,
    startedAt,
    updatedAt,
    ...(total === undefined ? {} : { total }),
    ...(expected === undefined ? {} : { expected }),
    ...(holder === undefined ? {} : { holder }),
    ...(rate === undefined ? {} : { rate }),
    ...(error === undefined ? {} : { error }),
  };
}

/**
 * How much of the declared total is there, in percent, rounded down to a tenth: below 100 until all of it is, above
 * where there is more. Undefined where no total is declared, or none of what is there was to come.
 */
export function percentOf({ size, total }: Pick<IngestStatus, 'size' | 'total'>): number | undefined {
  if (total === undefined) return undefined;
  if (size === total) return 100;
  if (total === 0) return undefined;
  const percent = Math.floor((1000 * size) / total) / 10;
  return size < total ? Math.min(percent, 99.9) : percent;
}

/**
 * How many seconds the rest of the declared total takes at the present rate, rounded up. Undefined where no total is
 * declared, or nothing comes.
 */
export function etaOf({
  size,
  total,
  rate,
}: Pick<IngestStatus, 'size' | 'total' | 'rate'>): number | undefined {
  if (total === undefined) return undefined;
  if (size >= total) return 0;
  return rate === undefined || rate === 0 ? undefined : Math.ceil((total - size) / rate);
}
