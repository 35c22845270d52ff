import { type DiskCall, watchDisk } from './disk-calls.js';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Ingest } from '../../../../store/ingest/ingest.js';
import { seededBytes } from '../../../helpers/bytes.js';
import { digestOfBytes } from '../../../helpers/digests.js';
import { temporaryStore, type TemporaryStore } from '../../../helpers/stores.js';
import { until } from '../../../src/process/site.js';
import { directoryOf, restartMachine, sealsOn, statesOn, tamper } from './on-disk.js';
import { find, transfer, write } from './sessions.js';

const MIB = 1 << 20;
const ENDS = [4 * MIB, 12 * MIB, 24 * MIB];
const SIZE = 24 * MIB;
const content = seededBytes(SIZE + 1000);

interface Started {
  readonly opened: TemporaryStore;
  readonly directory: string;
  readonly ingest: Ingest;
}

/** An ingest of 24 MiB after the machine was started anew, open for writing; `change` is what happened to it. */
async function started(t: ExecutionContext, change?: (data: string) => void): Promise<Started> {
  const opened = await temporaryStore(t);
  await transfer(opened.store.ingests, content, ENDS);
  await opened.close();
  const directory = directoryOf(opened.root);
  restartMachine(directory);
  change?.(join(directory, 'data'));
  const ingest = await find((await opened.reopen()).ingests);
  ingest.lock();
  return { opened, directory, ingest };
}

function isRead({ name, path }: DiskCall): boolean {
  return name === 'read' && path.endsWith('/data');
}

/** Holds up reading behind the first MiB, until what it returns is called. */
function holdReading(t: ExecutionContext): () => void {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  watchDisk((call) => (isRead(call) && call.at >= MIB ? held : undefined));
  const goOn = (): void => {
    watchDisk(undefined);
    release();
  };
  t.teardown(goOn);
  return goOn;
}

test.serial('fsync does not wait until what was there before has been read again', async (t) => {
  const { opened, directory, ingest } = await started(t);
  const goOn = holdReading(t);
  await write(ingest, content.subarray(SIZE), SIZE);
  await ingest.persist();
  t.true(ingest.content.offset <= MIB);
  const sizes = sealsOn(directory).map(({ size }) => size);
  t.is(Math.max(...sizes), SIZE + 1000, 'nothing of it is cut off by a recovery');
  t.deepEqual(statesOn(directory), ENDS);
  goOn();
  await until('all is hashed', () => ingest.content.offset === SIZE + 1000);
  ingest.unlock();
  const digest = await digestOfBytes(content);
  t.true(await opened.store.ingests.commit(ingest, { digest }));
});

test.serial('a removal does not wait until what is there has been read again', async (t) => {
  const { opened, ingest } = await started(t);
  let reads = 0;
  watchDisk((call) => {
    if (!isRead(call)) return undefined;
    reads++;
    return sleep(20);
  });
  try {
    await write(ingest, content.subarray(SIZE), SIZE);
    const saving = ingest.content.checkpoint().catch(() => undefined);
    await until('it is being read', () => reads >= 2);
    const before = reads;
    await opened.store.ingests.remove(ingest);
    t.true(reads - before <= 3, `${reads - before} more reads`);
    await saving;
  } finally {
    watchDisk(undefined);
  }
  ingest.unlock();
  t.deepEqual(fs.readdirSync(join(opened.root, 'ingest')), []);
});

test.serial('closing the store does not wait until what is there has been read again', async (t) => {
  const { opened, directory, ingest } = await started(t);
  let [reads, before] = [0, Infinity];
  let release = (): void => undefined;
  // What is being read when the ingest is told: other things may be closed before.
  const told = new Promise<void>((resolve) => (release = resolve));
  const hurry = ingest.content.hurry.bind(ingest.content);
  ingest.content.hurry = () => {
    before = reads;
    hurry();
    release();
  };
  watchDisk((call) => (isRead(call) && ++reads >= 3 ? told : undefined));
  try {
    await write(ingest, content.subarray(SIZE), SIZE);
    ingest.unlock();
    await until('it is being read', () => reads >= 3);
    await opened.close();
    t.true(reads - before <= 3, `${reads - before} more reads`);
  } finally {
    watchDisk(undefined);
  }
  const sizes = sealsOn(directory).map(({ size }) => size);
  t.is(Math.max(...sizes), SIZE + 1000);
  const { ingests } = await opened.reopen();
  const again = await find(ingests);
  t.is(again.size, SIZE + 1000);
  t.true(await ingests.commit(again, { digest: await digestOfBytes(content) }));
});

test.serial('what was reproduced before a process ended is kept when damage is found above it', async (t) => {
  const { opened, directory, ingest } = await started(t);
  await ingest.content.resumeDigestAt(SIZE);
  await ingest.content.quiet();
  ingest.unlock();
  await opened.close();
  // The first state is of this boot now; as if the process had ended before it came to the others.
  const [first = ''] = fs.readFileSync(join(directory, 'checkpoints'), 'utf8').split('\n');
  restartMachine(directory);
  const [, ...others] = fs.readFileSync(join(directory, 'checkpoints'), 'utf8').split('\n');
  fs.writeFileSync(join(directory, 'checkpoints'), [first, ...others].join('\n'));
  tamper(join(directory, 'data'), 8 * MIB);
  const again = await find((await opened.reopen()).ingests);
  t.is(again.status.offset, 4 * MIB);
  again.lock();
  await write(again, content.subarray(SIZE), SIZE);
  again.unlock();
  await until('it is cut', () => again.size < SIZE);
  t.is(again.size, 4 * MIB);
  t.deepEqual(statesOn(directory), [4 * MIB]);
});

test.serial('a state below what is written again is still compared with the bytes', async (t) => {
  const { opened, directory, ingest } = await started(t, (data) => tamper(data, 70_000));
  const goOn = holdReading(t);
  await write(ingest, content.subarray(SIZE), SIZE);
  await write(ingest, content.subarray(6 * MIB, 6 * MIB + 10), 6 * MIB);
  t.deepEqual(statesOn(directory), [4 * MIB]);
  ingest.unlock();
  goOn();
  await until('it is cut', () => ingest.size === 0);
  ingest.lock();
  await write(ingest, content, 0);
  ingest.unlock();
  t.true(await opened.store.ingests.commit(ingest, { digest: await digestOfBytes(content) }));
});
