const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** Days above which nobody wants to know how many. */
const MOST_DAYS = 99;

/** Seconds for a person, in the two largest units: `42s`, `2m05s`, `1h02m`, `3d04h`. */
export function humanDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole >= (MOST_DAYS + 1) * 86_400) return `>${MOST_DAYS}d`;
  const index = UNITS.findIndex(([, size]) => whole >= size);
  const [unit, size] = UNITS[index] ?? ['s', 1];
  const next = index < 0 ? undefined : UNITS[index + 1];
  const first = `${Math.floor(whole / size)}${unit}`;
  if (next === undefined) return first;
  return `${first}${String(Math.floor((whole % size) / next[1])).padStart(2, '0')}${next[0]}`;
}
