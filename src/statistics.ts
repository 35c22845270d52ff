import { constants } from 'node:os';
import type { Observer } from '../fs/transport/transport.js';

/** What is known of one kind of request. Times are milliseconds in the daemon. */
export interface OperationStatistics {
  readonly count: number;
  /** How often each errno was answered. */
  readonly errors: Readonly<Record<string, number>>;
  readonly milliseconds: {
    readonly mean: number;
    /** Upper bounds, exact to a factor of two. */
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    /** Requests that took up to `le` and longer than the bucket before. */
    readonly histogram: readonly { readonly le: number; readonly count: number }[];
  };
}

/** Statistics by operation, as in `cas status`, `.cas/stats` and the log. */
export type OperationTable = Readonly<Record<string, OperationStatistics>>;

/** Bucket i holds what took less than 2^i µs; the last one everything above 2^30 µs, 18 minutes. */
const BUCKETS = 32;

class Tally {
  count = 0;
  total = 0;
  max = 0;
  readonly errors = new Map<number, number>();
  readonly buckets = new Uint32Array(BUCKETS);

  add(errno: number, milliseconds: number): void {
    this.count++;
    this.total += milliseconds;
    if (milliseconds > this.max) this.max = milliseconds;
    const bucket = Math.min(32 - Math.clz32(Math.min(milliseconds * 1000, 2 ** 31)), BUCKETS - 1);
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    if (errno !== 0) this.errors.set(errno, (this.errors.get(errno) ?? 0) + 1);
  }
}

/** Counts the requests that a transport answers. */
export class Statistics implements Observer {
  /** Requests whose handler failed with something that is no errno. */
  defects = 0;
  readonly #tallies = new Map<string, Tally>();

  answered(operation: string, errno: number, milliseconds: number): void {
    let tally = this.#tallies.get(operation);
    if (tally === undefined) this.#tallies.set(operation, (tally = new Tally()));
    tally.add(errno, milliseconds);
  }

  defect(): void {
    this.defects++;
  }

  /** The numbers up to now, operations in the order of their first request. */
  operations(): OperationTable {
    return Object.fromEntries([...this.#tallies].map(([operation, tally]) => [operation, describe(tally)]));
  }
}

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

function describe({ count, total, max, errors, buckets }: Tally): OperationStatistics {
  const histogram = [...buckets].map((inBucket, index) => ({ le: 2 ** index / 1000, count: inBucket }));
  return {
    count,
    errors: Object.fromEntries(
      [...errors].map(([errno, times]) => [names.get(errno) ?? String(errno), times]),
    ),
    milliseconds: {
      mean: rounded(total / count),
      p50: Math.min(quantile(histogram, count * 0.5), rounded(max)),
      p99: Math.min(quantile(histogram, count * 0.99), rounded(max)),
      max: rounded(max),
      histogram: histogram.filter((bucket) => bucket.count > 0),
    },
  };
}

function quantile(histogram: readonly { le: number; count: number }[], rank: number): number {
  let seen = 0;
  for (const { le, count } of histogram) {
    seen += count;
    if (seen >= rank) return le;
  }
  return Infinity;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
