import { watchDisk } from './disk-calls.js';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Ingest } from '../../../../store/ingest/ingest.js';
import { seededBytes } from '../../../helpers/bytes.js';
import { errnoFrom } from '../../../helpers/errno.js';
import { temporaryStore } from '../../../helpers/stores.js';
import { until } from '../../../src/process/site.js';
import { directoryOf, restartMachine, tamper } from './on-disk.js';
import { find, transfer, write } from './sessions.js';

const content = seededBytes(100_000);
const PROVEN = 40_000;

interface Damaged {
  readonly ingest: Ingest;
  /** Settles when the cut of the damaged bytes has begun; it is held up until `goOn`. */
  readonly begun: Promise<void>;
  readonly goOn: () => void;
}

/** An ingest whose bytes were damaged before the machine was started anew, and which is open for writing. */
async function damaged(t: ExecutionContext): Promise<Damaged> {
  const opened = await temporaryStore(t);
  await transfer(opened.store.ingests, content, [PROVEN, 90_000]);
  await opened.close();
  const directory = directoryOf(opened.root);
  restartMachine(directory);
  tamper(join(directory, 'data'), 60_000);
  const ingest = await find((await opened.reopen()).ingests);
  ingest.lock();
  let [begin, goOn] = [(): void => undefined, (): void => undefined];
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const held = new Promise<void>((resolve) => (goOn = resolve));
  watchDisk(({ name, path }) => {
    if (name !== 'truncate' || !path.endsWith('/data')) return undefined;
    begin();
    return held;
  });
  t.teardown(() => watchDisk(undefined));
  return { ingest, begun, goOn };
}

test.serial('a writer that comes before the damage is cut off is told, and leaves no hole', async (t) => {
  const { ingest, begun, goOn } = await damaged(t);
  await write(ingest, content.subarray(90_000, 95_000), 90_000);
  ingest.unlock();
  await begun;
  ingest.lock();
  const { size } = ingest;
  t.is(size, 95_000, 'as it sees it');
  const writing = errnoFrom(() => write(ingest, content.subarray(size), size));
  goOn();
  t.is(await writing, 'EIO');
  t.truthy(ingest.status.error);
  ingest.unlock();
  await until('it is cut', () => ingest.size === PROVEN);
  ingest.lock();
  t.is(ingest.status.error, undefined);
  t.is(await errnoFrom(() => write(ingest, content.subarray(PROVEN), PROVEN)), 'OK');
  t.is(ingest.size, 100_000);
  ingest.unlock();
});
