/** A line of the JSON log for a person at a terminal: `12:00:00.000 INFO  mounted mountpoint=/mnt/cas`. */
export function prettyLine(json: string): string {
  const { time, level, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const rest = Object.entries(fields)
    .filter(([key]) => key !== 'pid')
    .map(([key, value]) => ` ${key}=${shown(value)}`);
  return `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}${rest.join('')}\n`;
}

function shown(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
