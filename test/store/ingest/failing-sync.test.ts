import fs from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Blobs } from '../../../store/blobs.js';
import type { Durability } from '../../../store/durability.js';
import { systemError } from '../../../store/libc.js';
import type { Ingest } from '../../../store/ingest/ingest.js';
import { alter } from '../../../store/ingest/attributes.js';
import { Ingests } from '../../../store/ingest/ingests.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { openDescriptors } from '../../helpers/descriptors.js';
import { digestOfBytes, digestOfFile } from '../../helpers/digests.js';
import { errnoFrom } from '../../helpers/errno.js';
import { temporaryDirectory } from '../../helpers/temporary.js';

const EIO = 5;

/** A disk whose syncs fail when told to. */
class FailingDisk implements Durability {
  readonly name = 'failing';
  readonly keepsOrder = false;
  dataFails = false;
  writebackFails = false;
  namesFail = false;

  begin(): Promise<void> {
    return this.writebackFails ? Promise.reject(systemError('sync_file_range', EIO)) : Promise.resolve();
  }

  data(): Promise<void> {
    return this.dataFails ? Promise.reject(systemError('fsync', EIO)) : Promise.resolve();
  }

  names(): Promise<void> {
    return this.namesFail ? Promise.reject(systemError('fsync', EIO)) : Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}

async function failingStore(
  t: ExecutionContext,
): Promise<{ disk: FailingDisk; ingests: Ingests; blobs: Blobs; root: string }> {
  const root = temporaryDirectory(t);
  const disk = new FailingDisk();
  const blobs = await Blobs.open(join(root, 'blobs'), disk);
  const ingests = new Ingests(root, blobs, disk);
  t.teardown(async () => {
    await ingests.close();
    await blobs.close();
  });
  return { disk, ingests, blobs, root };
}

test('an error of the sync is final, even where the next sync would succeed', async (t) => {
  const { disk, ingests, blobs } = await failingStore(t);
  const content = seededBytes(5000);
  const digest = await digestOfBytes(content);
  const ingest = await ingests.create(parseRef('x'), 'sha256');
  await (
    await ingest.write(content, 0)
  ).held;
  disk.dataFails = true;
  t.is(await errnoFrom(() => ingests.commit(ingest, { digest })), 'EIO');
  disk.dataFails = false;
  for (let attempt = 0; attempt < 2; attempt++)
    await t.throwsAsync(ingests.commit(ingest, { digest }), { code: 'INGEST_FAILED' });
  t.is(await errnoFrom(() => ingest.sync()), 'EIO');
  t.false(fs.existsSync(blobs.path(digest)));
  await (
    await ingest.write(content, 0)
  ).held;
  t.is(
    await errnoFrom(() => ingests.commit(ingest, { digest })),
    'EIO',
    'written again, but not from nothing',
  );
  await ingest.truncate(0);
  await (
    await ingest.write(content, 0)
  ).held;
  ingest.unlock();
  t.true(await ingests.commit(ingest, { digest }));
  t.is(await digestOfFile(blobs.path(digest)), digest);
});

test('an error of the sync that a close began in the background is not lost', async (t) => {
  const { disk, ingests, blobs } = await failingStore(t);
  const content = seededBytes(5000);
  const digest = await digestOfBytes(content);
  const ingest = await ingests.create(parseRef('x'), 'sha256');
  await (
    await ingest.write(content, 0)
  ).held;
  disk.dataFails = true;
  ingest.unlock();
  await ingest.settle();
  disk.dataFails = false;
  t.is(await errnoFrom(() => ingests.commit(ingest, { digest })), 'EIO');
  t.regex(ingest.status.error ?? '', /failed/);
  t.false(fs.existsSync(blobs.path(digest)));
});

test('a refused commit gives the file its permissions back', async (t) => {
  const { disk, ingests } = await failingStore(t);
  const content = seededBytes(50);
  const ingest = await ingests.create(parseRef('x'), 'sha256', 0o640);
  await alter(ingest, (fd) => fs.fchmodSync(fd, 0o640));
  await (
    await ingest.write(content, 0)
  ).held;
  ingest.unlock();
  disk.dataFails = true;
  await ingest.write(content, 0);
  await t.throwsAsync(ingests.commit(ingest, { digest: await digestOfBytes(content) }));
  t.is(Number(ingest.stat().mode) & 0o777, 0o640);
});

test('where the name cannot be made durable the caller is told, and what stands there is right', async (t) => {
  const { disk, ingests, blobs } = await failingStore(t);
  const content = seededBytes(5000);
  const digest = await digestOfBytes(content);
  for (let attempt = 0; attempt < 2; attempt++) {
    const ingest = await ingests.create(parseRef('x'), 'sha256');
    await (
      await ingest.write(content, 0)
    ).held;
    ingest.unlock();
    disk.namesFail = attempt === 0;
    t.is(await errnoFrom(() => ingests.commit(ingest, { digest })), attempt === 0 ? 'EIO' : 'OK');
    t.is(await digestOfFile(blobs.path(digest)), digest);
    t.is(fs.statSync(blobs.path(digest)).mode & 0o777, 0o444);
  }
  t.deepEqual(await ingests.list(), []);
});

test('where the name of a blob that was there already cannot be made durable, the ingest stays', async (t) => {
  const { disk, ingests } = await failingStore(t);
  const content = seededBytes(5000);
  const digest = await digestOfBytes(content);
  const make = async (ref: string): Promise<Ingest> => {
    const ingest = await ingests.create(parseRef(ref), 'sha256');
    await (
      await ingest.write(content, 0)
    ).held;
    ingest.unlock();
    return ingest;
  };
  await ingests.commit(await make('first'), { digest });
  const second = await make('second');
  disk.namesFail = true;
  t.is(await errnoFrom(() => ingests.commit(second, { digest })), 'EIO');
  disk.namesFail = false;
  t.is(second.stat().size, 5000n);
  t.false(await ingests.commit(second, { digest }));
  t.deepEqual(await ingests.list(), []);
});

test('an error of the write-back that a long write begins is final, also where the sync is told of none', async (t) => {
  const { disk, ingests, blobs } = await failingStore(t);
  const content = seededBytes(20 << 20);
  const digest = await digestOfBytes(content);
  const ingest = await ingests.create(parseRef('x'), 'sha256');
  const write = async (): Promise<void> => {
    for (let at = 0; at < content.length; at += 1 << 20)
      await (
        await ingest.write(content.subarray(at, at + (1 << 20)), at)
      ).held;
  };
  disk.writebackFails = true;
  await write();
  t.is(await errnoFrom(() => ingests.commit(ingest, { digest })), 'EIO');
  disk.writebackFails = false;
  t.is(await errnoFrom(() => ingests.commit(ingest, { digest })), 'EIO');
  t.false(fs.existsSync(blobs.path(digest)));
  await ingest.truncate(0);
  await write();
  ingest.unlock();
  t.true(await ingests.commit(ingest, { digest }));
  t.is(await digestOfFile(blobs.path(digest)), digest);
});

test('a commit waits for the write-backs under way: one of them may be told of the error', async (t) => {
  const { disk, ingests, blobs } = await failingStore(t);
  const content = seededBytes(9 << 20);
  const digest = await digestOfBytes(content);
  const ingest = await ingests.create(parseRef('x'), 'sha256');
  let fail: (error: Error) => void = () => undefined;
  disk.begin = () => new Promise((_, reject) => (fail = reject));
  await (
    await ingest.write(content, 0)
  ).held;
  const committing = errnoFrom(() => ingests.commit(ingest, { digest }));
  for (let turn = 0; turn < 20; turn++) await setImmediate();
  fail(systemError('sync_file_range', EIO));
  t.is(await committing, 'EIO');
  t.false(fs.existsSync(blobs.path(digest)));
  ingest.unlock();
});

test('an ingest that was about to be closed when its commit began stays open until that ends', async (t) => {
  const { disk, ingests, blobs, root } = await failingStore(t);
  const content = seededBytes(5000);
  const digest = await digestOfBytes(content);
  const ingest = await ingests.create(parseRef('x'), 'sha256');
  await (
    await ingest.write(content, 0)
  ).held;
  ingest.unlock();
  await ingest.sync();
  let finish: () => void = () => undefined;
  await (
    await ingest.write(content, 0)
  ).held;
  disk.data = () => new Promise((resolve) => (finish = resolve));
  const settling = ingest.settle();
  const committing = ingests.commit(ingest, { digest });
  await settling;
  for (let turn = 0; turn < 20; turn++) await setImmediate();
  const open = (): string[] => openDescriptors(`${root}/ingest`).filter((path) => path.endsWith('/data'));
  t.is(open().length, 1);
  finish();
  t.true(await committing);
  t.is(await digestOfFile(blobs.path(digest)), digest);
  t.is(open().length, 0);
});

test('an error of the sync is final for the next run too, until the file is cut to nothing', async (t) => {
  const { disk, ingests, blobs, root } = await failingStore(t);
  const content = seededBytes(5000);
  const digest = await digestOfBytes(content);
  const ingest = await ingests.create(parseRef('x'), 'sha256');
  await (
    await ingest.write(content, 0)
  ).held;
  disk.dataFails = true;
  ingest.unlock();
  t.is(await errnoFrom(() => ingests.commit(ingest, { digest })), 'EIO');
  await ingests.close();

  const next = new Ingests(root, blobs, new FailingDisk());
  const found = await next.find(parseRef('x'));
  if (found === undefined) throw new Error('the ingest is gone');
  await t.throwsAsync(next.commit(found, { digest }), { code: 'INGEST_FAILED' });
  await found.truncate(0);
  await (
    await found.write(content, 0)
  ).held;
  await next.close();

  const last = new Ingests(root, blobs, new FailingDisk());
  const again = await last.find(parseRef('x'));
  t.true(again && (await last.commit(again, { digest })));
  await last.close();
  t.is(await digestOfFile(blobs.path(digest)), digest);
  t.deepEqual(fs.readdirSync(`${root}/ingest`), []);
});
