import { type DiskCall, watchDisk } from './checkpoints/disk-calls.js';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Digest } from '../../../store/digest.js';
import type { Ingest } from '../../../store/ingest/ingest.js';
import type { Ingests } from '../../../store/ingest/ingests.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes, digestOfFile } from '../../helpers/digests.js';
import { errnoFrom } from '../../helpers/errno.js';
import { temporaryStore } from '../../helpers/stores.js';
import { directoryOf, restartMachine, sealedStatesOn } from './checkpoints/on-disk.js';
import { find, transfer, write } from './checkpoints/sessions.js';

const content = seededBytes(50_000);
/** What a call that saves a state is about. */
const STEPS = [
  'datasync /data',
  'create /state.tmp',
  'rename /30000',
  'create /checkpoints.tmp',
  'rename /checkpoints',
];

/** Does `then` right before the call of that step is made, which is then held up for a while. */
async function at(step: string, action: () => Promise<unknown>, then: () => Promise<unknown>): Promise<void> {
  const [name, end = ''] = step.split(' ');
  let doing: Promise<unknown> | undefined;
  watchDisk((call: DiskCall) => {
    if (doing !== undefined || call.name !== name || !call.path.endsWith(end)) return undefined;
    doing = then();
    return sleep(5);
  });
  try {
    await action();
    if (doing === undefined) throw new Error(`nobody came to ${step}`);
    await doing;
  } finally {
    watchDisk(undefined);
  }
}

/** The directories below `ingest/`, and the files below `fresh/`. */
function directories(root: string): string[] {
  return [...fs.readdirSync(join(root, 'ingest')), ...fs.readdirSync(join(root, 'fresh'))];
}

/** An ingest with a state at 10 000 and 20 000 more bytes of which none is saved. */
async function half(ingests: Ingests): Promise<Ingest> {
  const ingest = await transfer(ingests, content, [10_000]);
  ingest.lock();
  await write(ingest, content.subarray(10_000, 30_000), 10_000);
  return ingest;
}

for (const step of STEPS)
  test.serial(`an ingest that is moved at ${step} of a state is whole at its new place`, async (t) => {
    const opened = await temporaryStore(t);
    const { ingests } = opened.store;
    const ingest = await half(ingests);
    await at(
      step,
      () => ingest.persist(),
      () => ingests.rename(ingest, parseRef('y')),
    );
    await write(ingest, content.subarray(30_000, 40_000), 30_000);
    ingest.unlock();
    await ingest.settle();
    const directory = directoryOf(opened.root, 'y');
    t.deepEqual(directories(opened.root), [directory.slice(-64)]);
    t.true(sealedStatesOn(directory).some(({ offset }) => offset === 40_000));
    const again = await find((await opened.reopen()).ingests, 'y');
    t.like(again.status, { size: 40_000, offset: 40_000 });
    again.lock();
    await write(again, content.subarray(40_000), 40_000);
    again.unlock();
    t.true(await opened.store.ingests.commit(again, { digest: await digestOfBytes(content) }));
    t.deepEqual(directories(opened.root), []);
  });

for (const step of STEPS)
  for (const what of ['removed', 'committed'] as const)
    test.serial(`an ingest that is ${what} at ${step} of a state leaves nothing behind`, async (t) => {
      const { store, root } = await temporaryStore(t);
      const ingest = await half(store.ingests);
      const digest = await digestOfBytes(content.subarray(0, 30_000));
      await at(
        step,
        () => ingest.persist().catch(() => undefined),
        () => (what === 'removed' ? store.ingests.remove(ingest) : store.ingests.commit(ingest, { digest })),
      );
      ingest.unlock();
      t.deepEqual(directories(root), []);
      if (what === 'committed') t.is(await digestOfFile(store.blobs.path(digest)), digest);
      const next = await store.ingests.create(parseRef('x'), 'sha256');
      t.is(next.size, 0);
      next.unlock();
    });

test.serial(
  'a write below a state is not disturbed by a move, nor the state left at the new place',
  async (t) => {
    const { store, root } = await temporaryStore(t);
    const ingest = await transfer(store.ingests, content, [10_000, 30_000]);
    ingest.lock();
    for (const [step, ref] of [
      ['unlink /30000', 'y'],
      ['sync /sha256', 'z'],
    ] as const) {
      await at(
        step,
        async () => t.is(await errnoFrom(() => write(ingest, Buffer.from(ref), 20_000)), 'OK'),
        () => store.ingests.rename(ingest, parseRef(ref)),
      );
      const directory = directoryOf(root, ref);
      t.deepEqual(
        sealedStatesOn(directory).map(({ offset }) => offset),
        [10_000],
      );
      await ingest.content.resumeDigestAt(30_000);
      await write(ingest, content.subarray(30_000, 30_001), 30_000);
      await write(ingest, content.subarray(0, 0), 30_000);
      await ingest.truncate(30_000);
      await ingest.persist();
    }
    ingest.unlock();
  },
);

/** Opens the ingest again as after a restart of the machine. */
async function restarted(
  t: ExecutionContext,
): Promise<{ root: string; ingests: Ingests; ingest: Ingest; digest: Digest }> {
  const opened = await temporaryStore(t);
  await transfer(opened.store.ingests, content, [10_000, 20_000, 50_000]);
  await opened.close();
  restartMachine(directoryOf(opened.root));
  const { ingests } = await opened.reopen();
  return { root: opened.root, ingests, ingest: await find(ingests), digest: await digestOfBytes(content) };
}

test.serial('a commit leaves nothing behind, though states are being reproduced meanwhile', async (t) => {
  const { root, ingests, ingest, digest } = await restarted(t);
  const held: Promise<void>[] = [];
  watchDisk(({ path }) => {
    if (!path.endsWith('/checkpoints.tmp')) return undefined;
    held.push(sleep(30));
    return held.at(-1);
  });
  try {
    t.true(await ingests.commit(ingest, { digest }));
  } finally {
    watchDisk(undefined);
  }
  t.true(held.length > 0);
  t.deepEqual(directories(root), []);
  await Promise.all(held);
  await ingest.content.quiet();
  t.deepEqual(directories(root), []);
});

test.serial('a commit while a write is still on its way, after which a state would be due', async (t) => {
  const { store, root } = await temporaryStore(t, { checkpoint: 1 });
  for (let round = 0; round < 30; round++) {
    const bytes = seededBytes(200_000 + round, round + 1);
    const digest = await digestOfBytes(bytes);
    const ingest = await store.ingests.create(parseRef(`x${round}`), 'sha256');
    if (round % 2 === 0) await ingest.keeper.settle();
    const writing = write(ingest, bytes, 0);
    const syncing = ingest.persist().catch(() => undefined);
    t.is(await errnoFrom(() => store.ingests.commit(ingest, { digest })), 'OK');
    await writing;
    await syncing;
    ingest.unlock();
    t.deepEqual(directories(root), []);
  }
});

test.serial('an ingest that was removed while it was about to get its directory leaves none', async (t) => {
  const { store, root } = await temporaryStore(t);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  ingest.unlock();
  await store.ingests.remove(ingest);
  await t.throwsAsync(ingest.keeper.settle());
  t.deepEqual(directories(root), []);
});

test.serial('closing the store waits for a state that is being saved of a file still open', async (t) => {
  const opened = await temporaryStore(t);
  const ingest = await half(opened.store.ingests);
  const offsets = (): number[] => sealedStatesOn(directoryOf(opened.root)).map(({ offset }) => offset);
  let found: number[] = [];
  await at(
    'create /state.tmp',
    () => ingest.persist(),
    () => opened.close().then(() => (found = offsets())),
  );
  t.deepEqual(found, [10_000, 30_000]);
});
