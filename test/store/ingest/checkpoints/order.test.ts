import { type DiskCall, watchDisk } from './disk-calls.js';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Ingest } from '../../../../store/ingest/ingest.js';
import { seededBytes } from '../../../helpers/bytes.js';
import { digestOfBytes } from '../../../helpers/digests.js';
import { temporaryStore } from '../../../helpers/stores.js';
import { directoryOf, restartMachine, sealedStatesOn, statesOn } from './on-disk.js';
import { find, transfer, write } from './sessions.js';

const ENDS = [10_000, 20_000, 30_000];

/** Changes of bytes below states, and which of those must be gone before. */
const changes: Readonly<Record<string, [(ingest: Ingest) => Promise<void>, number[]]>> = {
  'a write at the start': [(ingest) => write(ingest, Buffer.alloc(1), 0), ENDS],
  'a write of the last byte that a state has hashed': [
    (ingest) => write(ingest, Buffer.alloc(1), 19_999),
    [20_000, 30_000],
  ],
  'a write right behind a state': [(ingest) => write(ingest, Buffer.alloc(1), 20_000), [30_000]],
  'a truncation to nothing': [(ingest) => ingest.truncate(0), ENDS],
  'a truncation into what a state has hashed': [(ingest) => ingest.truncate(19_999), [20_000, 30_000]],
  'a truncation to what a state has hashed': [(ingest) => ingest.truncate(20_000), [30_000]],
  'a write at the end': [(ingest) => write(ingest, Buffer.alloc(1), 30_000), []],
  'a truncation to more': [(ingest) => ingest.truncate(40_000), []],
};

for (const [title, [change, gone]] of Object.entries(changes))
  for (const boot of ['this', 'another'])
    test.serial(`before ${title} the states of ${boot} boot above it are gone for good`, async (t) => {
      const opened = await temporaryStore(t);
      await transfer(opened.store.ingests, seededBytes(30_000), ENDS);
      await opened.close();
      const directory = directoryOf(opened.root);
      if (boot === 'another') restartMachine(directory);
      const ingest = await find((await opened.reopen()).ingests);
      ingest.lock();
      const calls: DiskCall[] = [];
      let left: number[] | undefined;
      watchDisk((call) => {
        const isChange = (call.name === 'write' || call.name === 'truncate') && call.path.endsWith('/data');
        if (isChange) left ??= statesOn(directory);
        if (left === undefined) calls.push(call);
        return undefined;
      });
      try {
        await change(ingest);
      } finally {
        watchDisk(undefined);
      }
      const kept = ENDS.filter((offset) => !gone.includes(offset));
      t.deepEqual(left, kept, 'when the bytes change');
      const removed = calls.findLastIndex(({ name }) => name === 'unlink');
      const synced = calls.findLastIndex(
        ({ name, path }) => name === 'sync' && path === `${directory}/hashstates/sha256`,
      );
      t.is(removed !== -1, gone.length > 0);
      t.true(synced >= removed, 'the directory is synced after that');
      ingest.unlock();
      const digest = await ingest.prefixDigest();
      const bytes = fs.readFileSync(`${directory}/data`);
      t.is(digest, await digestOfBytes(bytes.subarray(0, ingest.content.offset)));
    });

test.serial('a state that is being saved is gone before a byte below it changes', async (t) => {
  const { store, root } = await temporaryStore(t);
  const content = seededBytes(30_000);
  const ingest = await transfer(store.ingests, content, [10_000]);
  const directory = directoryOf(root);
  // The write comes before each of the steps in which a state is saved.
  for (const step of ['datasync', 'state.tmp', '/20000', 'checkpoints.tmp', '/checkpoints']) {
    ingest.lock();
    await ingest.truncate(10_000);
    await write(ingest, content.subarray(10_000, 20_000), 10_000);
    let writing: Promise<void> | undefined;
    let left: number[] | undefined;
    watchDisk((call) => {
      if (writing === undefined && (call.name === step || call.path.endsWith(step)))
        writing = write(ingest, Buffer.alloc(1), 15_000);
      else if (call.name === 'write' && call.at === 15_000) left = statesOn(directory);
      return undefined;
    });
    try {
      await ingest.persist();
      t.not(writing, undefined, step);
      await writing;
    } finally {
      watchDisk(undefined);
    }
    t.deepEqual(left, [10_000], step);
    t.deepEqual(statesOn(directory), [10_000], step);
    ingest.unlock();
  }
});

test.serial('a state that is saved again while it is being removed does not come back', async (t) => {
  const { store, root } = await temporaryStore(t);
  const ingest = await transfer(store.ingests, seededBytes(30_000), [30_000]);
  const directory = directoryOf(root);
  ingest.lock();
  // The file grows behind a gap, so that the state at 30 000 is saved again with the new size.
  await write(ingest, seededBytes(10_000, 2), 50_000);
  let left: number[] | undefined;
  watchDisk(({ name, path, at }) => {
    if (name === 'write' && path.endsWith('/data') && at === 0) left = statesOn(directory);
    return path === `${directory}/hashstates/sha256` ? sleep(50) : undefined;
  });
  try {
    await Promise.all([write(ingest, Buffer.alloc(1), 0), ingest.persist()]);
  } finally {
    watchDisk(undefined);
  }
  t.deepEqual(left, []);
  t.deepEqual(
    sealedStatesOn(directory).filter(({ offset }) => offset > 0),
    [],
  );
  ingest.unlock();
});
