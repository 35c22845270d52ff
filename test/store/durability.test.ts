import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { durabilityFor } from '../../store/durability.js';
import { parseRef } from '../../store/ref.js';
import { digestOfBytes, digestOfFile } from '../helpers/digests.js';
import { errnoFrom } from '../helpers/errno.js';
import { temporaryStore } from '../helpers/stores.js';
import { temporaryDirectory } from '../helpers/temporary.js';

/** A descriptor that no process has. */
const NOT_OPEN = 1 << 30;

function descriptor(t: ExecutionContext): number {
  return fs.openSync(temporaryDirectory(t), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
}

test('only file systems that are known to keep the order are trusted with it', (t) => {
  t.is(durabilityFor('/proc', 'commit').name, 'strict');
  t.is(durabilityFor('/proc', 'batch').name, 'batch');
  const own = durabilityFor(temporaryDirectory(t), 'commit');
  t.is(own.name, own.keepsOrder ? 'ordered' : 'strict');
});

for (const policy of ['commit', 'batch'] as const)
  test(`a sync that cannot be made is an error: ${policy}`, async (t) => {
    const durability = durabilityFor(temporaryDirectory(t), policy);
    t.is(await errnoFrom(() => durability.data(NOT_OPEN)), 'EBADF');
    const named = await errnoFrom(() => durability.names(NOT_OPEN, false));
    t.is(policy === 'commit' ? named : await errnoFrom(() => durability.flush()), 'EBADF');
    t.is(await errnoFrom(() => durability.flush()), 'OK');
  });

test('commits of a batch are acknowledged at once and synced together', async (t) => {
  const durability = durabilityFor(temporaryDirectory(t), 'batch');
  const fd = descriptor(t);
  await Promise.all(Array.from({ length: 100 }, () => durability.names(fd, false)));
  await durability.flush();
  fs.closeSync(fd);
  await durability.flush();
  t.pass();
});

test('a batch that failed in the background is told to the next commit, once', async (t) => {
  const durability = durabilityFor(temporaryDirectory(t), 'batch');
  const good = descriptor(t);
  await durability.names(NOT_OPEN, false);
  const deadline = performance.now() + 20_000;
  let told = 'OK';
  while (told === 'OK' && performance.now() < deadline) {
    await delay(50);
    told = await errnoFrom(() => durability.names(good, false));
  }
  t.is(told, 'EBADF');
  t.is(await errnoFrom(() => durability.names(good, false)), 'OK');
  await durability.flush();
  fs.closeSync(good);
});

test('a store whose commits are batched has them all when it is opened again', async (t) => {
  const opened = await temporaryStore(t, { sync: 'batch' });
  t.is(opened.store.durability.name, 'batch');
  const contents = Array.from({ length: 50 }, (_, index) => Buffer.from(`content ${index}`));
  const digests = await Promise.all(contents.map((content) => digestOfBytes(content)));
  for (const [index, digest] of digests.entries()) {
    const ingest = await opened.store.ingests.create(parseRef('x'), 'sha256');
    await ingest.write(contents[index] ?? Buffer.alloc(0), 0);
    ingest.unlock();
    await opened.store.ingests.commit(ingest, { digest });
  }
  const store = await opened.reopen();
  for (const digest of digests) t.is(await digestOfFile(store.blobs.path(digest)), digest);
});
