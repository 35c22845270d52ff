import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { alter } from '../../../store/ingest/attributes.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { openDescriptors } from '../../helpers/descriptors.js';
import { digestOfBytes } from '../../helpers/digests.js';
import { errnoFrom } from '../../helpers/errno.js';
import { temporaryStore } from '../../helpers/stores.js';

/** The descriptors of data files; those of `blobs/` stay open as long as the store. */
function dataDescriptors(root: string): string[] {
  return openDescriptors(`${root}/ingest`).concat(openDescriptors(`${root}/fresh`));
}

test('ingests that are at rest hold no descriptor, and looking at them opens none', async (t) => {
  const opened = await temporaryStore(t);
  const { store, root } = opened;
  for (let index = 0; index < 50; index++) {
    const ingest = await store.ingests.create(parseRef(`x${index}`), 'sha256');
    await ingest.write(seededBytes(100, index), 0);
    ingest.unlock();
    await ingest.settle();
  }
  t.deepEqual(dataDescriptors(root), []);
  const again = await opened.reopen();
  for (const { ref } of await again.ingests.list()) {
    const ingest = await again.ingests.find(ref);
    t.is(ingest?.stat().size, 100n);
  }
  t.deepEqual(dataDescriptors(root), []);
});

test('an ingest at rest is closed by itself after a while', async (t) => {
  const { store, root } = await temporaryStore(t);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  await ingest.write(seededBytes(100), 0);
  ingest.unlock();
  t.is(dataDescriptors(root).length, 1);
  const deadline = performance.now() + 20_000;
  while (dataDescriptors(root).length > 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 50));
  t.deepEqual(dataDescriptors(root), []);
  t.is(fs.readdirSync(`${root}/fresh`).length, 0);
});

test('commits, refusals, removals and moves leave no descriptor behind', async (t) => {
  const { store, root } = await temporaryStore(t);
  const content = seededBytes(100);
  const digest = await digestOfBytes(content);
  const wrong = await digestOfBytes(seededBytes(101));
  for (let index = 0; index < 100; index++) {
    const ingest = await store.ingests.create(parseRef(`x${index}`), 'sha256');
    await ingest.write(content, 0);
    if (index % 2 === 0) ingest.unlock();
    if (index % 5 === 0) await store.ingests.rename(ingest, parseRef(`y${index}`));
    t.is(await errnoFrom(() => store.ingests.commit(ingest, { digest: wrong })), 'EBADMSG');
    if (index % 3 === 0) await store.ingests.remove(ingest);
    else await store.ingests.commit(ingest, { digest });
    if (index % 2 === 1) ingest.unlock();
    t.is(await errnoFrom(() => ingest.open()), 'ENOENT');
    t.is(await errnoFrom(() => ingest.stat()), 'ENOENT');
  }
  // Nobody waits for the close that follows the last unlock.
  for (let turn = 0; turn < 1000 && dataDescriptors(root).length > 0; turn++) await sleep(10);
  t.deepEqual(dataDescriptors(root), []);
  t.deepEqual(fs.readdirSync(`${root}/ingest`), []);
  t.deepEqual(fs.readdirSync(`${root}/fresh`), []);
});

test('an ingest that has ended never opens the file of a later one with its ref', async (t) => {
  const { store } = await temporaryStore(t);
  const ref = parseRef('x');
  const first = await store.ingests.create(ref, 'sha256');
  await first.write(seededBytes(10), 0);
  first.unlock();
  await store.ingests.remove(first);
  const second = await store.ingests.create(ref, 'sha256');
  await second.write(seededBytes(20), 0);
  t.is(await errnoFrom(() => first.read(Buffer.alloc(20), 0)), 'ENOENT');
  t.is(await errnoFrom(() => first.stat()), 'ENOENT');
  t.is(await errnoFrom(() => alter(first, (fd) => fs.ftruncateSync(fd, 0))), 'EBADF');
  t.is(await errnoFrom(() => first.expect({ total: 1 })), 'EBADF');
  t.is(await errnoFrom(() => store.ingests.rename(first, parseRef('y'))), 'EBADF');
  t.is(await errnoFrom(() => store.ingests.remove(first)), 'ENOENT');
  t.is(second.stat().size, 20n);
  t.is(second.status.total, undefined);
  second.unlock();
});

test('a creation that fails leaves no descriptor and no name', async (t) => {
  const { store, root } = await temporaryStore(t);
  await store.ingests.list();
  fs.rmdirSync(`${root}/fresh`);
  fs.writeFileSync(`${root}/fresh`, '');
  for (let attempt = 0; attempt < 5; attempt++)
    t.is(await errnoFrom(() => store.ingests.create(parseRef('x'), 'sha256')), 'ENOTDIR');
  fs.unlinkSync(`${root}/fresh`);
  fs.mkdirSync(`${root}/fresh`);
  t.deepEqual(dataDescriptors(root), []);
  t.deepEqual(await store.ingests.list(), []);
  (await store.ingests.create(parseRef('x'), 'sha256')).unlock();
});

test('closing a store closes all it had open, also where it is closed twice', async (t) => {
  const { store, root } = await temporaryStore(t);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  await ingest.write(seededBytes(10), 0);
  ingest.unlock();
  t.true(openDescriptors(root).length > 0);
  await Promise.all([store.close(), store.close()]);
  await store.close();
  t.deepEqual(openDescriptors(root), []);
});
