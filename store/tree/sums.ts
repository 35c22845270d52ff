/** What is known of a stretch of a directory without reading it. */
export interface Sums {
  /** Names directly in it. */
  readonly entries: number;
  /** Names in it and below, at any depth. */
  readonly total: number;
  /** Directories directly in it. */
  readonly subdirectories: number;
  /** Names in it and below that lead to shared inodes. */
  readonly shared: number;
}

export const NOTHING: Sums = { entries: 0, total: 0, subdirectories: 0, shared: 0 };

export function plus(a: Sums, b: Sums): Sums {
  return {
    entries: a.entries + b.entries,
    total: a.total + b.total,
    subdirectories: a.subdirectories + b.subdirectories,
    shared: a.shared + b.shared,
  };
}

/** The last of the first `count` values, which do not fall, that is at most `value`; -1 where there is none. */
export function lastAtMost(values: Float64Array, count: number, value: number): number {
  let [low, high] = [-1, count];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? Infinity) <= value) low = middle;
    else high = middle;
  }
  return low;
}
