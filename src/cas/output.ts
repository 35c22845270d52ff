import { once } from 'node:events';
import { safeJson } from '../../store/json.js';
import { printable } from '../printable.js';
import { widthOf } from './text-width.js';

/** A column of a list. */
export interface Column<Row> {
  readonly title: string;
  /** The exact value. */
  readonly value: (row: Row) => string | number | null;
  /** How a person reads it; default: the exact value. */
  readonly shown?: (row: Row) => string;
}

/** How results are written: JSON for programs, tables on a terminal, else tab-separated text. */
export type Format = 'json' | 'table' | 'text';

/** Rows that are looked at to find the widths of columns; the others come as they arrive. */
const MEASURED = 1000;

/** Writes results. */
export class Output {
  readonly format: Format;
  readonly #stream: NodeJS.WritableStream;

  constructor(format: Format, stream: NodeJS.WritableStream) {
    this.format = format;
    this.#stream = stream;
  }

  /** One object: its fields line by line, nested ones by their path. */
  async record(value: object): Promise<void> {
    if (this.format === 'json') {
      await this.#line(safeJson(value));
      return;
    }
    const fields = flatten(value);
    const width = this.format === 'table' ? Math.max(...fields.map(([key]) => key.length)) + 2 : 0;
    for (const [key, field] of fields) {
      const text = printable(String(field), Infinity);
      await this.#line(width > 0 ? `${key.padEnd(width)}${text}` : `${key}\t${text}`);
    }
  }

  /** A value that is known by its name: the name alone, for a person and for `$(…)` of a shell. */
  async name(name: string, value: object): Promise<void> {
    await this.#line(this.format === 'json' ? safeJson(value) : printable(name, Infinity));
  }

  /** A list, one line for each. */
  async list<Row extends object>(rows: AsyncIterable<Row>, columns: readonly Column<Row>[]): Promise<void> {
    if (this.format === 'table') {
      await this.#table(rows, columns);
      return;
    }
    for await (const row of rows) {
      const cells = columns.map(({ value }) => printable(String(value(row) ?? ''), Infinity));
      await this.#line(this.format === 'json' ? safeJson(row) : cells.join('\t'));
    }
  }

  async #table<Row>(rows: AsyncIterable<Row>, columns: readonly Column<Row>[]): Promise<void> {
    const first = [columns.map(({ title }) => title)];
    let widths: number[] | undefined;
    for await (const row of rows) {
      const cells = columns.map(({ value, shown }) => printable(shown?.(row) ?? String(value(row) ?? '')));
      if (widths) await this.#line(aligned(cells, widths));
      else if (first.push(cells) > MEASURED) widths = await this.#measured(first);
    }
    if (!widths) await this.#measured(first);
  }

  /** Writes the first rows and returns the widths of their columns. */
  async #measured(rows: readonly string[][]): Promise<number[]> {
    const widths = (rows[0] ?? []).map((_, index) =>
      Math.max(...rows.map((cells) => widthOf(cells[index] ?? ''))),
    );
    for (const cells of rows) await this.#line(aligned(cells, widths));
    return widths;
  }

  async #line(text: string): Promise<void> {
    if (!this.#stream.write(`${text}\n`)) await once(this.#stream, 'drain');
  }
}

function aligned(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, index) => cell + ' '.repeat(Math.max(0, (widths[index] ?? 0) - widthOf(cell))))
    .join('  ')
    .trimEnd();
}

/** `{a: {b: 1}}` as `a.b 1`; lists are for programs and left out. */
function flatten(value: object, prefix = ''): [string, unknown][] {
  return Object.entries(value).flatMap(([key, field]: [string, unknown]) => {
    if (Array.isArray(field)) return [];
    if (typeof field === 'object' && field !== null) return flatten(field, `${prefix}${key}.`);
    return [[`${prefix}${key}`, field] satisfies [string, unknown]];
  });
}

/** Bytes for a person: `1.5 GiB`. */
export function humanSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const amount = bytes / 1024 ** power;
  return `${power === 0 ? amount : amount.toFixed(1)} ${units[power] ?? ''}`;
}
