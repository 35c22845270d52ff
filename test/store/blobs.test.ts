import fs from 'node:fs';
import test from 'ava';
import { type Digest, digestOf } from '../../store/digest.js';
import { parseRef } from '../../store/ref.js';
import type { Store } from '../../store/store.js';
import { seededBytes } from '../helpers/bytes.js';
import { digestOfBytes, digestOfFile } from '../helpers/digests.js';
import { errnoFrom } from '../helpers/errno.js';
import { temporaryStore } from '../helpers/stores.js';

async function commit({ ingests }: Store, content: Uint8Array, digest: Digest): Promise<boolean> {
  const ingest = await ingests.create(parseRef('x'), 'sha256');
  await (
    await ingest.write(content, 0)
  ).held;
  ingest.unlock();
  return ingests.commit(ingest, { digest });
}

test('a commit says whether the blob is new', async (t) => {
  const { store } = await temporaryStore(t);
  const content = seededBytes(100);
  const digest = await digestOfBytes(content);
  t.true(await commit(store, content, digest));
  const { ino } = fs.statSync(store.blobs.path(digest));
  t.false(await commit(store, content, digest));
  t.is(fs.statSync(store.blobs.path(digest)).ino, ino);
});

for (const damage of ['', 'short', 'x'.repeat(200)])
  test(`a blob that was damaged to ${damage.length} bytes is healed by the next commit`, async (t) => {
    const { store } = await temporaryStore(t);
    const content = seededBytes(100);
    const digest = await digestOfBytes(content);
    fs.writeFileSync(store.blobs.path(digest), damage);
    t.true(await commit(store, content, digest));
    t.is(await digestOfFile(store.blobs.path(digest)), digest);
    t.is(fs.statSync(store.blobs.path(digest)).mode & 0o777, 0o444);
  });

test('an empty file under the digest of something is no blob: it is set aside and said', async (t) => {
  const messages: string[] = [];
  const { store, root } = await temporaryStore(t, { report: ({ message }) => messages.push(message) });
  const digest = await digestOfBytes(seededBytes(100));
  const [, hex = ''] = digest.split(':');
  fs.writeFileSync(store.blobs.path(digest), '', { mode: 0o444 });
  t.is(store.blobs.stat(digest), undefined);
  t.false(fs.existsSync(store.blobs.path(digest)));
  t.deepEqual(fs.readdirSync(`${root}/damaged`), [`sha256-${hex}`]);
  t.deepEqual(messages, ['empty file under a digest set aside']);
});

for (const algorithm of ['sha256', 'sha512'] as const)
  test(`the empty blob of ${algorithm} is one`, async (t) => {
    const { store } = await temporaryStore(t);
    const digest = await digestOfBytes(Buffer.alloc(0), algorithm);
    const ingest = await store.ingests.create(parseRef('x'), algorithm);
    ingest.unlock();
    t.true(await store.ingests.commit(ingest, { digest }));
    t.is(store.blobs.stat(digest)?.size, 0n);
  });

test('a symbolic link under the name of a blob is no blob, and gives way to one', async (t) => {
  const { store, root } = await temporaryStore(t);
  const content = seededBytes(100);
  const digest = await digestOfBytes(content);
  fs.writeFileSync(`${root}/elsewhere`, 'other');
  fs.symlinkSync(`${root}/elsewhere`, store.blobs.path(digest));
  t.is(store.blobs.stat(digest), undefined);
  t.is(await errnoFrom(() => store.blobs.open(digest)), 'ELOOP');
  t.true(await commit(store, content, digest));
  t.is(await digestOfFile(store.blobs.path(digest)), digest);
  t.true(fs.lstatSync(store.blobs.path(digest)).isFile());
  t.is(fs.readFileSync(`${root}/elsewhere`, 'utf8'), 'other');
});

test('a directory under the name of a blob is an error, and the ingest stays', async (t) => {
  const { store } = await temporaryStore(t);
  const content = seededBytes(100);
  const digest = await digestOfBytes(content);
  fs.mkdirSync(store.blobs.path(digest));
  t.is(await errnoFrom(() => commit(store, content, digest)), 'EISDIR');
  t.is((await store.ingests.list()).length, 1);
  fs.rmdirSync(store.blobs.path(digest));
  const ingest = await store.ingests.find(parseRef('x'));
  if (ingest) t.true(await store.ingests.commit(ingest, { digest }));
});

test('what is not there is not found', async (t) => {
  const { store } = await temporaryStore(t);
  const digest = digestOf('sha512', '0'.repeat(128));
  t.is(store.blobs.stat(digest), undefined);
  await t.throwsAsync(store.blobs.open(digest), { code: 'BLOB_NOT_FOUND' });
  await t.throwsAsync(store.blobs.remove(digest), { code: 'BLOB_NOT_FOUND' });
});

test('a commit by a claimed size needs that size', async (t) => {
  const { store } = await temporaryStore(t);
  const content = seededBytes(100);
  const digest = await digestOfBytes(content);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  await ingest.write(content, 0);
  for (const size of [0, 99, 101])
    await t.throwsAsync(store.ingests.commit(ingest, { digest, size }), { code: 'SIZE_MISMATCH' });
  t.true(await store.ingests.commit(ingest, { digest, size: 100 }));
  ingest.unlock();
});

test('another file in the place of the one that was verified gets no name', async (t) => {
  const { store } = await temporaryStore(t);
  const content = seededBytes(100);
  const digest = await digestOfBytes(content);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  await ingest.write(content, 0);
  const { data } = ingest.record;
  fs.renameSync(data, `${data}-away`);
  fs.writeFileSync(data, Buffer.alloc(100));
  t.is(await errnoFrom(() => store.ingests.commit(ingest, { digest })), 'EIO');
  t.false(fs.existsSync(store.blobs.path(digest)));
  fs.renameSync(`${data}-away`, data);
  t.true(await store.ingests.commit(ingest, { digest }));
  t.is(await digestOfFile(store.blobs.path(digest)), digest);
  ingest.unlock();
});

test('a file that was cut or extended behind its ingest gets no name', async (t) => {
  const { store } = await temporaryStore(t);
  const content = seededBytes(100);
  const digest = await digestOfBytes(content);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  await ingest.write(content, 0);
  for (const size of [99, 101, 0]) {
    fs.truncateSync(ingest.record.data, size);
    t.not(await errnoFrom(() => store.ingests.commit(ingest, { digest })), 'OK', `${size}`);
    t.false(fs.existsSync(store.blobs.path(digest)));
  }
  ingest.unlock();
});
