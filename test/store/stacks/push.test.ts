import fs from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { CasError } from '../../../store/errors.js';
import type { Ingest } from '../../../store/ingest/ingest.js';
import { parseRef } from '../../../store/ref.js';
import { pushBlob, pushIngest } from '../../../store/stacks/push.js';
import type { Store } from '../../../store/store.js';
import { digestOfBytes } from '../../helpers/digests.js';
import { openDescriptors } from '../../helpers/descriptors.js';
import { temporaryStore } from '../../helpers/stores.js';
import { digestOf, noise, tarBytes, tarOf } from '../layers/tools.js';

async function ingestOf(store: Store, name: string, bytes: Buffer): Promise<Ingest> {
  const ingest = await store.ingests.create(parseRef(name), 'sha256');
  for (let at = 0; at < bytes.length;) at += (await ingest.write(bytes.subarray(at), at)).size;
  ingest.unlock();
  return ingest;
}

async function outcome(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'OK',
    (error: unknown) => (error instanceof CasError ? `${error.code} ${error.errno}` : String(error)),
  );
}

test('an ingest that is a plain tar becomes the layer, and its file goes', async (t) => {
  const { store, root } = await temporaryStore(t);
  const tar = tarOf(t, { a: noise(300_000, 'a'), b: 'b' });
  await store.stacks.make('s');
  const layer = await pushIngest(store, 's', await ingestOf(store, 'tar', tar));
  t.is(layer.diff, await digestOfBytes(tar));
  t.is(await store.ingests.find(parseRef('tar')), undefined);
  t.is(store.blobs.stat(layer.diff), undefined);
  t.true((await tarBytes(store.layers, layer)).equals(tar));
  t.deepEqual(openDescriptors(join(root, 'ingest')), []);
});

test('one that is compressed becomes a blob as well', async (t) => {
  const { store } = await temporaryStore(t);
  const tar = tarOf(t, { a: noise(300_000, 'a'), b: 'b' });
  const gzip = gzipSync(tar);
  await store.stacks.make('s');
  for (const name of ['first', 'second']) {
    const layer = await pushIngest(store, 's', await ingestOf(store, name, gzip));
    t.is(layer.diff, digestOf(tar));
    t.is(await store.ingests.find(parseRef(name)), undefined);
    const fd = await store.blobs.open(digestOf(gzip));
    t.true(fs.readFileSync(fd).equals(gzip));
    fs.closeSync(fd);
  }
  t.is(store.stacks.layersOf(store.stacks.require('s')).length, 2);
});

test('one that is refused stays, says why, and can be written on until it is good', async (t) => {
  const opened = await temporaryStore(t, { limits: { size: 1 << 20 } });
  const { store } = opened;
  const tar = tarOf(t, { a: noise(300_000, 'a'), b: 'b' });
  await store.stacks.make('s');
  const half = await ingestOf(store, 'half', tar.subarray(0, 200_000));
  t.is(await outcome(pushIngest(store, 's', half)), 'LAYER_INVALID EBADMSG');
  t.is(await outcome(pushIngest(store, 'no', half)), 'STACK_NOT_FOUND ENOENT');
  const signal = AbortSignal.abort(new Error('no more'));
  t.is(await outcome(pushIngest(store, 's', half, { signal })), 'Error: no more');
  const large = await ingestOf(store, 'large', tarOf(t, { large: Buffer.alloc(2 << 20) }));
  t.is(await outcome(pushIngest(store, 's', large)), 'LAYER_TOO_LARGE EFBIG');
  t.regex(large.record.error ?? '', /limit/);
  t.is(store.layers.all().length, 0);
  const again = await opened.reopen();
  const found = await again.ingests.find(parseRef('half'));
  if (!found) return t.fail();
  t.is(found.size, 200_000);
  found.lock();
  await found.write(tar.subarray(200_000), 200_000);
  found.unlock();
  const layer = await pushIngest(again, 's', found);
  t.is(layer.diff, digestOf(tar));
  t.is(await again.ingests.find(parseRef('half')), undefined);
});

test('what was declared must hold', async (t) => {
  const { store } = await temporaryStore(t);
  const tar = tarOf(t, { a: 'a' });
  await store.stacks.make('s');
  const ingest = await ingestOf(store, 'tar', tar);
  await ingest.expect({ total: tar.length + 1 });
  t.is(await outcome(pushIngest(store, 's', ingest)), 'SIZE_MISMATCH EBADMSG');
  await ingest.expect({ total: tar.length, expected: digestOf(Buffer.from('other')) });
  t.is(await outcome(pushIngest(store, 's', ingest)), 'DIGEST_MISMATCH EBADMSG');
  await ingest.expect({ expected: digestOf(tar) });
  t.is((await pushIngest(store, 's', ingest)).diff, digestOf(tar));
});

test('an ingest is pushed once, and not while somebody writes it any more', async (t) => {
  const { store } = await temporaryStore(t);
  const tar = tarOf(t, { a: noise(300_000, 'a') });
  await store.stacks.make('s');
  const ingest = await ingestOf(store, 'tar', tar);
  const outcomes = await Promise.all([
    outcome(pushIngest(store, 's', ingest)),
    outcome(pushIngest(store, 's', ingest)),
  ]);
  t.deepEqual(outcomes, ['OK', 'INGEST_SEALED EBADF']);
  t.is(await outcome(ingest.write(Buffer.from('late'), 0)), 'INGEST_SEALED EBADF');
  t.is(store.layers.all().length, 1);
});

test('a push that is done is told as done, even if the file of the ingest cannot be removed', async (t) => {
  const { store } = await temporaryStore(t);
  const tar = tarOf(t, { a: 'a' });
  await store.stacks.make('s');
  const ingest = await ingestOf(store, 'tar', tar);
  store.ingests.remove = () => Promise.reject(new Error('the disk has gone'));
  t.is((await pushIngest(store, 's', ingest)).diff, digestOf(tar));
  t.is(store.stacks.layersOf(store.stacks.require('s')).length, 1);
});

test('a blob is pushed and stays', async (t) => {
  const { store, root } = await temporaryStore(t);
  const tar = tarOf(t, { a: noise(300_000, 'a'), b: 'b' });
  const gzip = gzipSync(tar);
  await store.stacks.make('s');
  const ingest = await ingestOf(store, 'gzip', gzip);
  await store.ingests.commit(ingest, { digest: digestOf(gzip) });
  const layer = await pushBlob(store, 's', digestOf(gzip));
  t.is(layer.diff, digestOf(tar));
  t.is(Number(store.blobs.stat(digestOf(gzip))?.size), gzip.length);
  t.is(await outcome(pushBlob(store, 's', digestOf(Buffer.from('no')))), 'BLOB_NOT_FOUND ENOENT');
  t.is(await outcome(pushBlob(store, 'no', digestOf(gzip))), 'STACK_NOT_FOUND ENOENT');
  t.deepEqual(openDescriptors(join(root, 'blobs', 'sha256', digestOf(gzip).slice(7))), []);
});
