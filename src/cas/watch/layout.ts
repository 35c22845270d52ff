import { fitted, widthOf } from '../text-width.js';
import { bar } from './bar.js';

/** What is shown of something that goes on beside its name. */
export interface Field<Row> {
  /** Columns that it takes at least, so that the others stay where they are. */
  readonly least: number;
  readonly text: (row: Row) => string;
}

/** How things that go on are shown, one line for each. */
export interface Layout<Row> {
  readonly name: (row: Row) => string;
  /** How much is done of it; null where that is not known. */
  readonly percent: (row: Row) => number | null;
  /** The fields; the first of these lists that there is room for. {@link BAR} stands for the bar. */
  readonly fields: readonly (readonly Field<Row>[])[];
}

/** Its text is made when it is known how much room is left. */
export const BAR: Field<unknown> = { least: 12, text: () => '' };
const BAR_MOST = 42;

/** `1023.9 MiB`: what grows shall not push the others about. */
export const SIZE_WIDTH = 10;

const GAP = '  ';
const NAME_LEAST = 8;
const NAME_MOST = 40;

/** One line for each row, aligned, and none wider than `columns`. */
export function drawLines<Row>(layout: Layout<Row>, rows: readonly Row[], columns: number): string[] {
  const names = rows.map(layout.name);
  const widths = new Map(
    layout.fields[0]?.map((field) => [
      field,
      Math.max(field.least, ...rows.map((row) => widthOf(field.text(row)))),
    ]),
  );
  const widthIn = (field: Field<Row>): number => widths.get(field) ?? 0;
  const roomFor = (fields: readonly Field<Row>[]): number =>
    columns - fields.reduce((sum, field) => sum + GAP.length + widthIn(field), 0);
  const fields = layout.fields.find((some) => roomFor(some) >= NAME_LEAST) ?? [];
  const room = roomFor(fields);
  const name = Math.min(Math.max(NAME_LEAST, ...names.map(widthOf)), NAME_MOST, room);
  widths.set(BAR, Math.min(widthIn(BAR) + room - name, BAR_MOST));
  return rows.map((row, line) => {
    const cells = fields.map((field) =>
      field === BAR ? bar(layout.percent(row), widthIn(BAR)) : field.text(row).padStart(widthIn(field)),
    );
    return [fitted(names[line] ?? '', name), ...cells].join(GAP).trimEnd();
  });
}
