import type { IngestLine } from '../../control/protocol.js';
import { shortened } from '../text-width.js';
import { drawRows } from './rows.js';

/** The size of a terminal in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * The lines that show ingests on a terminal: those that are being written first, as many as fit, and how many more
 * there are. No line is wider than the terminal, and there are no more than it has rows.
 */
export function drawFrame(ingests: readonly IngestLine[], { columns, rows }: TerminalSize): string[] {
  if (ingests.length === 0) return [shortened('no ingests', columns)];
  const fitting = ingests.length <= rows ? ingests.length : rows - 1;
  const lines = drawRows(inOrder(ingests).slice(0, fitting), columns);
  const more = ingests.length - fitting;
  return more === 0 ? lines : [...lines, `… and ${more} more`.slice(0, columns)];
}

/** Those that are being written, the longest first; then the others, the latest first. */
function inOrder(ingests: readonly IngestLine[]): IngestLine[] {
  const held = ingests.filter(({ holder }) => holder !== null);
  const others = ingests.filter(({ holder }) => holder === null);
  held.sort((a, b) => compare(a.started, b.started));
  others.sort((a, b) => compare(b.updated, a.updated));
  return [...held, ...others];
}

/** RFC 3339 in UTC sorts as text. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
