import type { IngestLine } from '../../control/protocol.js';
import { printable } from '../../printable.js';
import { humanDuration } from '../duration.js';
import { humanSize } from '../output.js';
import { fitted, widthOf } from '../text-width.js';
import { bar } from './bar.js';

/** What is shown of an ingest beside its name. */
interface Field {
  /** Columns that it takes at least, so that the others stay where they are. */
  readonly least: number;
  readonly text: (ingest: IngestLine) => string;
}

/** Its text is made when it is known how much room is left. */
const BAR: Field = { least: 12, text: () => '' };
const BAR_MOST = 42;
const PERCENT: Field = {
  least: 4,
  text: ({ percent }) => (percent === null ? '' : `${Math.floor(percent)}%`),
};
/** `1023.9 MiB`: what grows shall not push the others about. */
const SIZE_WIDTH = 10;
const BYTES: Field = {
  least: SIZE_WIDTH,
  text: ({ size, total }) =>
    total === null ? humanSize(size) : `${humanSize(size).padStart(SIZE_WIDTH)} / ${humanSize(total)}`,
};
/** How fast it comes, or why nothing does. */
const PACE: Field = {
  least: 12,
  text: ({ holder, rate, error }) => {
    if (error !== null) return 'refused';
    if (holder === null) return 'no writer';
    return rate === null ? '' : `${humanSize(rate)}/s`;
  },
};
const ETA: Field = { least: 6, text: ({ eta }) => (eta === null ? '' : humanDuration(eta)) };

/** What is shown where there is room for it: the first of these that fits. */
const LAYOUTS = [
  [BAR, PERCENT, BYTES, PACE, ETA],
  [BAR, PERCENT, PACE, ETA],
  [BAR, PERCENT, PACE],
  [PERCENT, PACE],
  [PERCENT],
];

const GAP = '  ';
const NAME_LEAST = 8;
const NAME_MOST = 40;

/** One line for each ingest, aligned, and none wider than `columns`. */
export function drawRows(ingests: readonly IngestLine[], columns: number): string[] {
  const names = ingests.map(({ ref }) => printable(ref));
  const widths = new Map(
    LAYOUTS[0]?.map((field) => [
      field,
      Math.max(field.least, ...ingests.map((ingest) => widthOf(field.text(ingest)))),
    ]),
  );
  const widthIn = (field: Field): number => widths.get(field) ?? 0;
  const roomFor = (fields: readonly Field[]): number =>
    columns - fields.reduce((sum, field) => sum + GAP.length + widthIn(field), 0);
  const fields = LAYOUTS.find((layout) => roomFor(layout) >= NAME_LEAST) ?? [];
  const room = roomFor(fields);
  const name = Math.min(Math.max(NAME_LEAST, ...names.map(widthOf)), NAME_MOST, room);
  widths.set(BAR, Math.min(widthIn(BAR) + room - name, BAR_MOST));
  return ingests.map((ingest, line) => {
    const cells = fields.map((field) =>
      field === BAR ? bar(ingest.percent, widthIn(BAR)) : field.text(ingest).padStart(widthIn(field)),
    );
    return [fitted(names[line] ?? '', name), ...cells].join(GAP).trimEnd();
  });
}
