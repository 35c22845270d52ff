/** Which bytes of a file have been written: sorted, disjoint, half-open ranges that do not touch. */
export class Extents {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  /** Adds a range, merging it with those it touches. */
  add(start: number, end: number): void {
    if (end <= start) return;
    const first = lowerBound(this.#ends, start);
    const last = lowerBound(this.#starts, end + 1);
    const merged = last > first;
    const from = merged ? Math.min(start, this.#starts[first] ?? start) : start;
    const to = merged ? Math.max(end, this.#ends[last - 1] ?? end) : end;
    this.#starts.splice(first, last - first, from);
    this.#ends.splice(first, last - first, to);
  }

  /** Takes a range out. */
  remove(start: number, end: number): void {
    if (end <= start) return;
    const first = lowerBound(this.#ends, start + 1);
    const last = lowerBound(this.#starts, end);
    if (last <= first) return;
    const [from, to] = [this.#starts[first] ?? start, this.#ends[last - 1] ?? end];
    const left = from < start ? [[from, start] as const] : [];
    const right = to > end ? [[end, to] as const] : [];
    const rest = [...left, ...right];
    this.#starts.splice(first, last - first, ...rest.map(([start]) => start));
    this.#ends.splice(first, last - first, ...rest.map(([, end]) => end));
  }

  /** Forgets everything from `size` on. */
  cut(size: number): void {
    this.remove(size, Infinity);
  }

  /** Where the range that holds the byte at `offset` ends; `offset` itself if none does. */
  endFrom(offset: number): number {
    const index = lowerBound(this.#ends, offset + 1);
    const start = this.#starts[index];
    return start !== undefined && start <= offset ? (this.#ends[index] ?? offset) : offset;
  }
}

/** The first index whose value is at least `value`. */
function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
