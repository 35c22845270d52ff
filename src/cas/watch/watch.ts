import { setTimeout as sleep } from 'node:timers/promises';
import type { IngestLine } from '../../control/protocol.js';
import { drawFrame } from './frame.js';
import { Screen } from './screen.js';

/** Between two looks, in milliseconds: on a terminal, and where lines are written. */
const FRAME = 500;
const LINES = 1000;

/** The share of the time that is spent looking is at most one in this many: a store may have many ingests. */
const SHARE = 5;

/** Asks for all ingests. */
export type Look = () => AsyncIterable<IngestLine>;

/** Shows the ingests on a terminal until the process is ended. @throws Failure when no daemon answers any more */
export async function watchOnTerminal(look: Look, terminal: NodeJS.WriteStream): Promise<never> {
  let ingests = await collect(look());
  const screen = new Screen(terminal, (size) => drawFrame(ingests, size));
  try {
    for (;;) {
      screen.redraw();
      ingests = await spaced(FRAME, () => collect(look()));
    }
  } finally {
    screen.close();
  }
}

/** Writes the ingests by `write` once a second until the process is ended. @throws Failure when no daemon answers */
export async function watchAsLines(
  look: Look,
  write: (ingests: AsyncIterable<IngestLine>) => Promise<void>,
): Promise<never> {
  await write(look());
  for (;;) await spaced(LINES, () => write(look()));
}

async function spaced<T>(pause: number, action: () => Promise<T>): Promise<T> {
  await sleep(pause);
  const began = performance.now();
  const result = await action();
  const took = performance.now() - began;
  if (took * SHARE > pause) await sleep(took * SHARE - pause);
  return result;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
