import type { ControlClient } from '../control/client.js';
import type { IngestLine } from '../control/protocol.js';
import { humanDuration } from './duration.js';
import { type Column, humanSize, type Output } from './output.js';
import { watchAsLines, watchOnTerminal } from './watch/watch.js';

/** How many hex digits of a digest a person needs to tell it from others. */
const DIGITS = 12;

/** `cas ingests`: lists what is being written, once or, with `watch`, until the process is ended. */
export async function showIngests(client: ControlClient, output: Output, watch: boolean): Promise<void> {
  const look = (): AsyncIterable<IngestLine> => client.lines('/v1/ingests') as AsyncIterable<IngestLine>;
  if (!watch) return output.list(look(), COLUMNS);
  const bars = output.format === 'table' && process.env['TERM'] !== 'dumb';
  return bars
    ? watchOnTerminal(look, process.stdout)
    : watchAsLines(look, (ingests) => output.list(ingests, COLUMNS));
}

const COLUMNS: readonly Column<IngestLine>[] = [
  { title: 'REF', value: ({ ref }) => ref },
  { title: 'SIZE', value: ({ size }) => size, shown: ({ size }) => humanSize(size) },
  { title: 'TOTAL', value: ({ total }) => total, shown: ({ total }) => shownIf(total, humanSize) },
  { title: '%', value: ({ percent }) => percent },
  {
    title: 'RATE',
    value: ({ rate }) => rate,
    shown: ({ rate }) => shownIf(rate, (bytes) => `${humanSize(bytes)}/s`),
  },
  { title: 'ETA', value: ({ eta }) => eta, shown: ({ eta }) => shownIf(eta, humanDuration) },
  { title: 'DIGEST SO FAR', value: ({ digest }) => digest, shown: shortDigest },
  { title: 'WRITER', value: ({ holder }) => holder && nameOf(holder) },
  { title: 'ERROR', value: ({ error }) => error?.message ?? null },
];

function shownIf(value: number | null, show: (value: number) => string): string {
  return value === null ? '' : show(value);
}

/** The digest, and of how much it is where that is not all. */
function shortDigest({ digest, offset, size }: IngestLine): string {
  if (digest === null) return '';
  const short = digest.replace(new RegExp(`(?<=:.{${DIGITS}}).*`), '…');
  return offset === size ? short : `${short} of ${humanSize(offset)}`;
}

function nameOf({ pid, command }: NonNullable<IngestLine['holder']>): string {
  return `${command ?? '?'} (${pid ?? '?'})`;
}
