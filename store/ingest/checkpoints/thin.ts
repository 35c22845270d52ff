/** How many states of an ingest are kept. */
export const KEPT = 8;

/**
 * Which of the offsets, ascending, to give up so that at most {@link KEPT} are left. What is left lies the denser
 * the nearer it is to the newest: a file is cut back a little more often than a lot.
 */
export function surplus(offsets: readonly number[]): number[] {
  const left = [...offsets];
  const given: number[] = [];
  while (left.length > KEPT) {
    const index = cheapest(left);
    given.push(...left.splice(index, 1));
  }
  return given;
}

/** The one, not the newest, whose loss widens a gap least in proportion to its distance from the newest. */
function cheapest(offsets: readonly number[]): number {
  const newest = offsets.at(-1) ?? 0;
  let best = 0;
  let least = Infinity;
  for (let index = 0; index < offsets.length - 1; index++) {
    const below = offsets[index - 1] ?? 0;
    const gap = ((offsets[index + 1] ?? newest) - below) / (newest - below);
    if (gap <= least) [best, least] = [index, gap];
  }
  return best;
}
