import type { IngestLine } from '../../control/protocol.js';
import { printable } from '../../printable.js';
import { humanDuration } from '../duration.js';
import { humanSize } from '../output.js';
import { BAR, drawLines, type Field, type Layout, SIZE_WIDTH } from './layout.js';

const PERCENT: Field<IngestLine> = {
  least: 4,
  text: ({ percent }) => (percent === null ? '' : `${Math.floor(percent)}%`),
};
const BYTES: Field<IngestLine> = {
  least: SIZE_WIDTH,
  text: ({ size, total }) =>
    total === null ? humanSize(size) : `${humanSize(size).padStart(SIZE_WIDTH)} / ${humanSize(total)}`,
};
/** How fast it comes, or why nothing does. */
const PACE: Field<IngestLine> = {
  least: 12,
  text: ({ holder, rate, error }) => {
    if (error !== null) return 'refused';
    if (holder === null) return 'no writer';
    return rate === null ? '' : `${humanSize(rate)}/s`;
  },
};
const ETA: Field<IngestLine> = { least: 6, text: ({ eta }) => (eta === null ? '' : humanDuration(eta)) };

const LAYOUT: Layout<IngestLine> = {
  name: ({ ref }) => printable(ref),
  percent: ({ percent }) => percent,
  fields: [
    [BAR, PERCENT, BYTES, PACE, ETA],
    [BAR, PERCENT, PACE, ETA],
    [BAR, PERCENT, PACE],
    [PERCENT, PACE],
    [PERCENT],
  ],
};

/** One line for each ingest, aligned, and none wider than `columns`. */
export function drawRows(ingests: readonly IngestLine[], columns: number): string[] {
  return drawLines(LAYOUT, ingests, columns);
}
