import { printable } from '../../printable.js';
import { humanDuration } from '../duration.js';
import { humanSize } from '../output.js';
import { BAR, drawLines, type Field, type Layout, SIZE_WIDTH } from './layout.js';

/** A registration that is under way. */
export interface Registering {
  readonly name: string;
  readonly bytes: number;
  readonly total: number | null;
  /** Null where they are not counted. */
  readonly entries: number | null;
  /** Bytes per second. */
  readonly rate: number | null;
}

const PERCENT: Field<Registering> = {
  least: 4,
  text: (registering) => {
    const percent = percentOf(registering);
    return percent === null ? '' : `${Math.floor(percent)}%`;
  },
};
const BYTES: Field<Registering> = {
  least: SIZE_WIDTH,
  text: ({ bytes, total }) =>
    total === null ? humanSize(bytes) : `${humanSize(bytes).padStart(SIZE_WIDTH)} / ${humanSize(total)}`,
};
const ENTRIES: Field<Registering> = {
  least: 15,
  text: ({ entries }) => (entries === null ? '' : `${entries} entries`),
};
const PACE: Field<Registering> = {
  least: 12,
  // The tree is made and all is synced when everything was read.
  text: ({ bytes, total, rate }) =>
    bytes === total ? 'finishing' : rate === null ? '' : `${humanSize(rate)}/s`,
};
const ETA: Field<Registering> = {
  least: 6,
  text: ({ bytes, total, rate }) =>
    total === null || rate === null || rate === 0 || bytes === total
      ? ''
      : humanDuration((total - bytes) / rate),
};

const LAYOUT: Layout<Registering> = {
  name: ({ name }) => printable(name),
  percent: percentOf,
  fields: [
    [BAR, PERCENT, BYTES, ENTRIES, PACE, ETA],
    [BAR, PERCENT, BYTES, PACE, ETA],
    [BAR, PERCENT, PACE, ETA],
    [BAR, PERCENT, PACE],
    [PERCENT, PACE],
    [PERCENT],
  ],
};

/** How far a registration is, in one line that is not wider than `columns`. */
export function drawRegistration(registering: Registering, columns: number): string {
  return drawLines(LAYOUT, [registering], columns)[0] ?? '';
}

function percentOf({ bytes, total }: Registering): number | null {
  return total === null || total === 0 ? null : (100 * bytes) / total;
}
