import { type DiskCall, failing, watchDisk } from './disk-calls.js';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { KEPT } from '../../../../store/ingest/checkpoints/thin.js';
import { parseRef } from '../../../../store/ref.js';
import { seededBytes } from '../../../helpers/bytes.js';
import { digestOfBytes, digestOfFile } from '../../../helpers/digests.js';
import { errnoFrom } from '../../../helpers/errno.js';
import { temporaryStore } from '../../../helpers/stores.js';
import { directoryOf, sealedStatesOn, sealsOn, statePath, statesOn } from './on-disk.js';
import { transfer, write } from './sessions.js';

/** Notes the calls that `action` makes, and lets those fail that `fault` names. */
async function watched(
  action: () => Promise<unknown>,
  fault: (call: DiskCall) => Error | undefined = () => undefined,
): Promise<DiskCall[]> {
  const calls: DiskCall[] = [];
  watchDisk((call) => {
    calls.push(call);
    return fault(call);
  });
  try {
    await action();
  } finally {
    watchDisk(undefined);
  }
  return calls;
}

/** Where among the calls the first one is of that name whose path ends so. */
function place(t: ExecutionContext, calls: readonly DiskCall[], name: DiskCall['name'], end: string): number {
  const found = calls.findIndex((call) => call.name === name && call.path.endsWith(end));
  t.not(found, -1, `${name} of ${end}`);
  return found;
}

test.serial(
  'when a file rests, its bytes are made durable, then the state is written, then its seal',
  async (t) => {
    const { store, root } = await temporaryStore(t);
    const ingest = await store.ingests.create(parseRef('x'), 'sha256');
    await write(ingest, seededBytes(10_000), 0);
    ingest.unlock();
    const calls = await watched(() => ingest.settle());
    const steps = [
      place(t, calls, 'datasync', '/data'),
      place(t, calls, 'create', '/state.tmp'),
      place(t, calls, 'rename', '/hashstates/sha256/10000'),
      place(t, calls, 'create', '/checkpoints.tmp'),
      place(t, calls, 'rename', '/checkpoints'),
    ];
    t.deepEqual(
      steps,
      [...steps].sort((a, b) => a - b),
    );
    const directory = directoryOf(root);
    const inode = `${fs.statSync(`${directory}/data`).ino}`;
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    t.like(sealedStatesOn(directory)[0], {
      offset: 10_000,
      seal: { algorithm: 'sha256', size: 10_000, inode, boot },
    });
  },
);

test.serial('nothing is saved where nothing has changed since, nor of what was never written', async (t) => {
  const { store } = await temporaryStore(t);
  const ingest = await transfer(store.ingests, seededBytes(10_000), [10_000]);
  ingest.lock();
  ingest.unlock();
  const empty = await store.ingests.create(parseRef('empty'), 'sha256');
  empty.unlock();
  const calls = await watched(async () => {
    await ingest.settle();
    await empty.settle();
  });
  t.deepEqual(
    calls.filter(({ path }) => /hashstates|checkpoints|state\.tmp/.test(path)),
    [],
  );
});

test.serial(
  'of a commit in the first second nothing is saved, and nothing of it is made a directory',
  async (t) => {
    const { store, root } = await temporaryStore(t);
    const content = seededBytes(100_000);
    const digest = await digestOfBytes(content);
    const calls = await watched(async () => {
      const ingest = await store.ingests.create(parseRef('x'), 'sha256');
      await write(ingest, content, 0);
      ingest.unlock();
      await store.ingests.commit(ingest, { digest });
    });
    t.deepEqual(
      calls.filter(({ path }) => path.includes(`${root}/ingest`)),
      [],
    );
    t.deepEqual(fs.readdirSync(`${root}/ingest`), []);
  },
);

test.serial('while it is written a state is saved after so many bytes, and at the end', async (t) => {
  const { store, root } = await temporaryStore(t, { checkpoint: 100_000 });
  const content = seededBytes(450_000);
  // After five seconds a state would be saved as well.
  const stopped = performance.now();
  performance.now = () => stopped;
  t.teardown(() => Reflect.deleteProperty(performance, 'now'));
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  for (let at = 0; at < content.length; at += 10_000) {
    await write(ingest, content.subarray(at, at + 10_000), at);
    await ingest.content.settled();
  }
  const directory = directoryOf(root);
  t.deepEqual(statesOn(directory), [100_000, 200_000, 300_000, 400_000]);
  ingest.unlock();
  await ingest.settle();
  t.deepEqual(statesOn(directory), [100_000, 200_000, 300_000, 400_000, 450_000]);
  t.is(sealedStatesOn(directory).length, 5);
  t.true(await store.ingests.commit(ingest, { digest: await digestOfBytes(content) }));
  t.false(fs.existsSync(directory));
});

test.serial('a bounded number of states is kept, and their seals alone', async (t) => {
  const { store, root } = await temporaryStore(t, { checkpoint: 1000 });
  const content = seededBytes(60_000);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  for (let at = 0; at < content.length; at += 1000) {
    await write(ingest, content.subarray(at, at + 1000), at);
    await ingest.content.settled();
    t.true(statesOn(directoryOf(root)).length <= KEPT);
  }
  const offsets = statesOn(directoryOf(root));
  t.is(offsets.length, KEPT);
  t.is(offsets.at(-1), 60_000);
  t.true((offsets[0] ?? Infinity) <= 30_000, 'half of it can be cut off and not all is read again');
  t.deepEqual(
    sealsOn(directoryOf(root)).map(({ offset }) => offset),
    offsets,
  );
  ingest.unlock();
});

test.serial('fsync of a file that has its directory saves its state, of a new one it does not', async (t) => {
  const { store, root } = await temporaryStore(t);
  const content = seededBytes(30_000);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  await write(ingest, content.subarray(0, 10_000), 0);
  await ingest.persist();
  t.false(fs.existsSync(directoryOf(root)));
  ingest.unlock();
  await ingest.settle();
  ingest.lock();
  await write(ingest, content.subarray(10_000), 10_000);
  await ingest.persist();
  t.deepEqual(statesOn(directoryOf(root)), [10_000, 30_000]);
  t.is(sealedStatesOn(directoryOf(root)).length, 2);
  ingest.unlock();
});

test.serial('a state is only of the first bytes without a gap, however much lies behind', async (t) => {
  const { store, root } = await temporaryStore(t);
  const content = seededBytes(300_000);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  await write(ingest, content.subarray(200_000), 200_000);
  await write(ingest, content.subarray(0, 50_000), 0);
  await ingest.keeper.settle();
  await ingest.persist();
  const directory = directoryOf(root);
  t.deepEqual(statesOn(directory), [50_000]);
  t.is(sealsOn(directory)[0]?.size, 300_000);
  await write(ingest, content.subarray(50_000, 200_000), 50_000);
  await ingest.persist();
  t.deepEqual(statesOn(directory), [50_000, 300_000]);
  ingest.unlock();
});

test.serial('fsync saves what was written since another state began to be saved', async (t) => {
  const { store, root } = await temporaryStore(t);
  const content = seededBytes(30_000);
  const ingest = await transfer(store.ingests, content, [10_000]);
  ingest.lock();
  await write(ingest, content.subarray(10_000, 20_000), 10_000);
  let syncing: Promise<void> | undefined;
  watchDisk(({ path }) => {
    if (syncing !== undefined || !path.endsWith('/state.tmp')) return undefined;
    syncing = write(ingest, content.subarray(20_000), 20_000).then(() => ingest.persist());
    return sleep(30);
  });
  try {
    await ingest.persist();
    await syncing;
  } finally {
    watchDisk(undefined);
  }
  t.deepEqual(
    sealsOn(directoryOf(root)).map(({ size }) => size),
    [10_000, 20_000, 30_000],
    'else a recovery would cut off what fsync has made durable',
  );
  ingest.unlock();
});

for (const code of ['ENOSPC', 'EIO', 'EDQUOT', 'EROFS'] as const)
  for (const name of ['state.tmp', 'checkpoints.tmp'])
    test.serial(`${code} of ${name} is no failure of the ingest, and of no fsync`, async (t) => {
      const opened = await temporaryStore(t, { checkpoint: 1000 });
      const content = seededBytes(100_000);
      const ingest = await transfer(opened.store.ingests, content, [10_000]);
      ingest.lock();
      let failures = 0;
      const fault = (call: DiskCall): Error | undefined => {
        if (call.name !== 'create' || !call.path.endsWith(name)) return undefined;
        failures++;
        return failing(code);
      };
      await watched(async () => {
        await write(ingest, content.subarray(10_000, 60_000), 10_000);
        t.is(await errnoFrom(() => ingest.persist()), 'OK');
        ingest.unlock();
        await ingest.settle();
      }, fault);
      t.true(failures > 0);
      const directory = directoryOf(opened.root);
      const sizes = sealsOn(directory).map(({ size }) => size);
      const cut = sizes.length > 0 && Math.max(...sizes) < 60_000;
      t.false(cut, 'a recovery would cut off what fsync has made durable');
      ingest.lock();
      await write(ingest, content.subarray(60_000, 80_000), 60_000);
      ingest.unlock();
      await ingest.settle();
      t.true(sealedStatesOn(directory).some(({ offset }) => offset === 80_000));
      ingest.lock();
      await write(ingest, content.subarray(80_000), 80_000);
      ingest.unlock();
      t.is(ingest.status.error, undefined);
      const digest = await digestOfBytes(content);
      t.true(await opened.store.ingests.commit(ingest, { digest }));
      t.is(await digestOfFile(opened.store.blobs.path(digest)), digest);
      t.deepEqual(fs.readdirSync(`${opened.root}/ingest`), []);
    });

test.serial('an error of the sync before a state is saved is final, and nothing is saved', async (t) => {
  const { store, root } = await temporaryStore(t);
  const content = seededBytes(100_000);
  const digest = await digestOfBytes(content);
  const ingest = await transfer(store.ingests, content, [10_000]);
  ingest.lock();
  await write(ingest, content.subarray(10_000), 10_000);
  await watched(
    async () => t.is(await errnoFrom(() => ingest.persist()), 'EIO'),
    (call) => (call.name === 'datasync' ? failing('EIO') : undefined),
  );
  t.is(await errnoFrom(() => ingest.persist()), 'EIO', 'the next one would succeed');
  ingest.unlock();
  await ingest.settle();
  t.deepEqual(statesOn(directoryOf(root)), [10_000]);
  t.is(await errnoFrom(() => store.ingests.commit(ingest, { digest })), 'EIO');
  t.false(fs.existsSync(store.blobs.path(digest)));
  t.false(fs.existsSync(statePath(directoryOf(root), 100_000)));
});
