/** A bar of `width` columns; blank where nothing is known to come. ASCII, as some terminals show others too wide. */
export function bar(percent: number | null, width: number): string {
  if (percent === null) return ' '.repeat(width);
  const room = width - 2;
  const done = Math.floor((room * Math.min(percent, 100)) / 100);
  const body = done === room ? '='.repeat(room) : `${'='.repeat(done)}>`.padEnd(room);
  return `[${body}]`;
}
