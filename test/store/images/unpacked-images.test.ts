import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { exportImages } from '../../../store/archives/export-images.js';
import { parseDigest } from '../../../store/digest.js';
import { CasError } from '../../../store/errors.js';
import { imageHolder } from '../../../store/images/held-by-images.js';
import type { Layers } from '../../../store/layers/layers.js';
import { descriptorSource } from '../../../store/layers/layer-source.js';
import { noise } from '../layers/tools.js';
import { TestImages, TYPES } from './test-images.js';

/** How an action ends: `OK`, or its code and errno. */
async function outcome(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'OK',
    (error: unknown) => (error instanceof CasError ? `${error.code} ${error.errno}` : String(error)),
  );
}

/** Counts registrations, and holds each one up until `gate` settles or it is interrupted. */
function countRegistrations(layers: Layers, gate: Promise<void> = Promise.resolve()): () => number {
  let count = 0;
  const register = layers.register.bind(layers);
  layers.register = async (source, how) => {
    count++;
    const aborted = new Promise<void>((resolve) => how.signal?.addEventListener('abort', () => resolve()));
    await Promise.race([gate, aborted]);
    how.signal?.throwIfAborted();
    return register(source, how);
  };
  return () => count;
}

async function threeLayers(made: TestImages, name = 'three'): Promise<void> {
  const words = ['one', 'two', 'three'];
  const layers = await Promise.all(words.map((word) => made.layer({ [word]: noise(5000, word) })));
  await made.name(name, await made.image(layers));
}

test('looking for a chain registers it and what is below it, and no more', async (t) => {
  const made = await TestImages.open(t);
  await threeLayers(made);
  const { unpacked, layers } = made.store;
  const chains = await made.chains('three');
  const [, second, top] = chains;
  const { entry } = await made.chosen('three');
  if (second === undefined || top === undefined) return t.fail();
  t.deepEqual(await made.registered(), []);
  t.like(await unpacked.status('three', await made.chosen('three')), {
    state: 'absent',
    layers: 3,
    bytes: 0,
  });
  t.is(await unpacked.bring(parseDigest(`sha256:${'0'.repeat(64)}`)), undefined);
  t.is((await unpacked.bring(second))?.depth, 2);
  t.deepEqual(await made.registered(), chains.slice(0, 2).sort());
  t.like(await unpacked.status('three', await made.chosen('three')), { state: 'absent', registered: 2 });
  t.is((await unpacked.bring(top))?.chain, top);
  for (const chain of chains) t.true(layers.holdersOf(chain).includes(imageHolder(entry.digest)));
  const status = await unpacked.status('three', await made.chosen('three'));
  t.like(status, { state: 'registered', platform: 'linux/amd64', chain: top, layer: null, percent: 100 });
  t.deepEqual(made.complaints, []);
});

test('those who look at once wait for one registration; it ends when the last of them is interrupted', async (t) => {
  const made = await TestImages.open(t);
  await threeLayers(made);
  const { unpacked, layers } = made.store;
  const [base, , top] = await made.chains('three');
  if (base === undefined || top === undefined) return t.fail();
  let open: () => void = () => undefined;
  const calls = countRegistrations(layers, new Promise((resolve) => (open = resolve)));
  const [first, second] = [new AbortController(), new AbortController()];
  const waiting = [first, second].map(({ signal }) => unpacked.bring(top, signal));
  for (const one of waiting) one.catch(() => undefined);
  while (calls() === 0) await sleep(1);
  t.like(await unpacked.status('three', await made.chosen('three')), { state: 'registering', layer: 1 });
  first.abort();
  await t.throwsAsync(waiting[0] ?? Promise.resolve(), { any: true, name: 'AbortError' });
  // The kernel lets the next one ask when the first has been answered.
  second.abort();
  await t.throwsAsync(waiting[1] ?? Promise.resolve(), { any: true, name: 'AbortError' });
  const third = unpacked.bring(base);
  open();
  t.is((await third)?.chain, base);
  t.is(calls(), 1);
  const both = await Promise.all([unpacked.bring(top), unpacked.bring(top)]);
  t.is(both[0], both[1]);
  t.is(calls(), 3);
  t.deepEqual(made.complaints, []);
});

test('what nobody waits for any more leaves nothing, and can be begun anew', async (t) => {
  const made = await TestImages.open(t);
  await threeLayers(made);
  const { unpacked, layers } = made.store;
  const [base] = await made.chains('three');
  if (base === undefined) return t.fail();
  const calls = countRegistrations(layers, new Promise(() => undefined));
  const only = new AbortController();
  const waiting = unpacked.bring(base, only.signal);
  while (calls() === 0) await sleep(1);
  only.abort();
  await t.throwsAsync(waiting, { any: true, name: 'AbortError' });
  for (;;) {
    const { state } = await unpacked.status('three', await made.chosen('three'));
    if (state === 'absent') break;
    await sleep(5);
  }
  t.deepEqual(await made.registered(), []);
  const again = unpacked.bring(base);
  while (calls() === 1) await sleep(1);
  // Closing the store ends it, too.
  const ended = t.throwsAsync(again, { any: true });
  await made.opened.close();
  await ended;
  t.deepEqual(made.complaints, []);
});

test('what ends after its image has gone is not held, though nobody waits for it any more', async (t) => {
  const made = await TestImages.open(t);
  await threeLayers(made);
  const { unpacked, layers } = made.store;
  const [base] = await made.chains('three');
  if (base === undefined) return t.fail();
  const register = layers.register.bind(layers);
  let [begin, open] = [(): void => undefined, (): void => undefined];
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const gate = new Promise<void>((resolve) => (open = resolve));
  let ended: Promise<unknown> = Promise.resolve();
  layers.register = async (source, how) => {
    begin();
    await gate;
    const withoutSignal = { ...how };
    Reflect.deleteProperty(withoutSignal, 'signal');
    return (ended = register(source, withoutSignal));
  };
  const only = new AbortController();
  const waiting = unpacked.bring(base, only.signal);
  waiting.catch(() => undefined);
  await begun;
  only.abort();
  await t.throwsAsync(waiting, { any: true, name: 'AbortError' });
  await made.unname('three');
  await unpacked.settle();
  open();
  await gate;
  await ended;
  for (const ends = Date.now() + 20_000; (await made.registered()).length > 0 && Date.now() < ends;)
    await sleep(10);
  t.deepEqual(await made.registered(), []);
});

test('a layer that fails says why: with the image, once in the log; its bytes are not read again in vain', async (t) => {
  const made = await TestImages.open(t);
  const { unpacked, layers } = made.store;
  const good = await made.layer({ a: 'a' });
  const rubbish = { blob: await made.blob(noise(5000, 'rubbish'), TYPES.layer), diff: good.diff };
  const other = await made.layer({ b: 'b' });
  await made.name('rubbish', await made.image([good, rubbish]));
  await made.name(
    'other',
    await made.image([good, other], { diffs: [good.diff, `sha256:${'1'.repeat(64)}`] }),
  );
  const calls = countRegistrations(layers);
  const ends = { rubbish: 'LAYER_INVALID EBADMSG', other: 'DIGEST_MISMATCH EBADMSG' };
  for (const [name, end] of Object.entries(ends)) {
    const chosen = await made.chosen(name);
    const top = (await made.chains(name)).at(-1);
    if (top === undefined) return t.fail();
    t.is(await outcome(unpacked.bring(top)), end);
    t.is(await outcome(unpacked.bring(top)), end);
    const status = await unpacked.status(name, chosen);
    t.like(status, { state: 'failed', registered: 1, error: { code: end.split(' ')[0] } });
    t.regex(status.error?.message ?? '', /^layer 2 of 2: sha256:[0-9a-f]{64}: /);
  }
  t.is(calls(), 3);
  t.is(made.complaints.length, 2);
  t.is(await outcome(unpacked.unpack('other', await made.chosen('other'))), 'DIGEST_MISMATCH EBADMSG');
  t.is(calls(), 4);
  t.deepEqual(fs.readdirSync(join(made.store.root, 'layers/staging')), []);
  t.is((await made.registered()).length, 1);
});

test('a blob that is missing is told, and taken once it is there', async (t) => {
  const made = await TestImages.open(t);
  const { unpacked } = made.store;
  const layer = await made.layer({ a: 'a' });
  const bytes = fs.readFileSync(made.store.blobs.path(layer.blob.digest));
  const manifest = await made.image([layer]);
  const text = fs.readFileSync(made.store.blobs.path(manifest.digest));
  await made.name('x', manifest);
  const [top] = await made.chains('x');
  if (top === undefined) return t.fail();
  made.lose(layer.blob);
  t.is(await outcome(unpacked.bring(top)), 'BLOB_NOT_FOUND ENOENT');
  t.regex(
    (await unpacked.status('x', await made.chosen('x'))).error?.message ?? '',
    /the store has no such blob/,
  );
  await made.blob(bytes, TYPES.layer);
  t.is((await unpacked.bring(top))?.chain, top);

  // A manifest that comes later is found as well.
  const second = await made.image([layer, await made.layer({ b: 'b' })]);
  const [bytesOfSecond] = [fs.readFileSync(made.store.blobs.path(second.digest))];
  made.lose(second);
  await made.name('y', second);
  t.is((await made.chosen('y')).fault?.code, 'BLOB_NOT_FOUND');
  const unknown = parseDigest(`sha256:${'0'.repeat(64)}`);
  t.is(await unpacked.bring(unknown), undefined);
  await made.blob(bytesOfSecond, TYPES.manifest);
  const higher = (await made.chains('y')).at(-1);
  if (higher === undefined) return t.fail();
  t.is((await unpacked.bring(higher))?.depth, 2);
  t.true(text.length > 0);
});

test('images hold their layers as long as index.json leads to them, also after a restart', async (t) => {
  const made = await TestImages.open(t);
  const [base, one, two, three] = await Promise.all(
    ['base', 'one', 'two', 'three'].map((word) => made.layer({ [word]: word })),
  );
  if (!base || !one || !two || !three) return t.fail();
  const images = { one: await made.image([base, one]), two: await made.image([base, two]) };
  for (const [name, image] of Object.entries(images)) {
    await made.name(name, image);
    await made.store.unpacked.unpack(name, await made.chosen(name));
  }
  await made.name('alias', images.one);
  t.is((await made.registered()).length, 3);
  await made.opened.reopen();
  t.is((await made.registered()).length, 3);
  const settled = async (): Promise<number> => {
    await made.store.unpacked.settle();
    return (await made.registered()).length;
  };
  await made.unname('one');
  t.is(await settled(), 3);
  await made.unname('alias');
  t.is(await settled(), 2);

  // One entry in the place of another: what both need is not made again.
  const [chain] = await made.chains('two');
  const before = chain && made.store.layers.get(chain)?.number;
  await made.name('two', await made.image([base, three]));
  t.is(await settled(), 1);
  t.is(chain && made.store.layers.get(chain)?.number, before);

  // A stack holds what it has by itself.
  await made.store.unpacked.unpack('two', await made.chosen('two'));
  const top = (await made.chains('two')).at(-1);
  if (top === undefined) return t.fail();
  await made.store.stacks.make('s');
  await made.store.stacks.pushLayer('s', top);
  await made.unname('two');
  t.is(await settled(), 2);
  await made.store.stacks.remove('s');
  t.is(await settled(), 0);
  t.deepEqual(made.complaints, []);
});

test('a layer that somebody else registers is held by images from then on', async (t) => {
  const made = await TestImages.open(t);
  const layer = await made.layer({ a: 'a' });
  await made.name('x', await made.image([layer]));
  await made.store.unpacked.bring(parseDigest(`sha256:${'0'.repeat(64)}`));
  await made.store.stacks.make('s');
  const fd = await made.store.blobs.open(layer.blob.digest);
  await made.store.stacks.push('s', descriptorSource(fd, layer.blob.size));
  fs.closeSync(fd);
  t.deepEqual(await made.store.stacks.remove('s'), []);
  t.is((await made.registered()).length, 1);
});

test('a layer that was there before its image is held by it, too', async (t) => {
  const made = await TestImages.open(t);
  const layer = await made.layer({ a: 'a' });
  await made.store.stacks.make('s');
  const fd = await made.store.blobs.open(layer.blob.digest);
  await made.store.stacks.push('s', descriptorSource(fd, layer.blob.size));
  fs.closeSync(fd);
  await made.name('x', await made.image([layer]));
  await made.store.unpacked.settle();
  t.deepEqual(await made.store.stacks.remove('s'), []);
  t.is((await made.registered()).length, 1);
});

test('a blob that cannot be a layer stands in the way of no other that can', async (t) => {
  const made = await TestImages.open(t);
  const good = await made.layer({ a: 'a' });
  const rubbish = { blob: await made.blob(noise(5000, 'rubbish'), TYPES.layer), diff: good.diff };
  await made.name('first', await made.image([rubbish]));
  await made.name('second', await made.image([good]));
  const [top] = await made.chains('second');
  if (top === undefined) return t.fail();
  t.is(await outcome(made.store.unpacked.bring(top)), 'LAYER_INVALID EBADMSG');
  t.is((await made.store.unpacked.bring(top))?.chain, top);
});

test('an image does not have layers of others, though its config names them', async (t) => {
  const made = await TestImages.open(t);
  const { unpacked } = made.store;
  const [lower, upper] = [await made.layer({ lower: 'lower' }), await made.layer({ upper: 'upper' })];
  const other = await made.layer({ other: 'other' });
  await made.name('whole', await made.image([lower, upper]));
  await made.name('false', await made.image([lower, { blob: other.blob, diff: upper.diff }]));
  t.deepEqual(await made.chains('false'), await made.chains('whole'));
  // Whoever looks at it may have the layer registered from the blob of the other one.
  t.is(await outcome(unpacked.checkTree(await made.chosen('false'))), 'DIGEST_MISMATCH EBADMSG');
  await unpacked.unpack('whole', await made.chosen('whole'));
  t.like(await unpacked.status('whole', await made.chosen('whole')), { state: 'registered', percent: 100 });

  for (const times of [1, 2]) {
    const chosen = await made.chosen('false');
    const before = made.complaints.length;
    t.is(await outcome(made.store.unpacked.checkTree(chosen)), 'DIGEST_MISMATCH EBADMSG');
    t.is(await outcome(made.store.unpacked.unpack('false', chosen)), 'DIGEST_MISMATCH EBADMSG');
    const status = await made.store.unpacked.status('false', await made.chosen('false'));
    t.like(status, { state: 'failed', registered: 1, error: { code: 'DIGEST_MISMATCH' } });
    t.true(status.error?.message.includes(`expected the DiffID ${upper.diff}, found ${other.diff}`));
    // Told once in a run.
    t.is(made.complaints.length - before, times - 1);
    await made.opened.reopen();
  }
  t.is(await outcome(made.store.unpacked.checkTree(await made.chosen('whole'))), 'OK');
});

test('an image whose layers came from other blobs has them once those of its own are known to be the same', async (t) => {
  const made = await TestImages.open(t);
  const layer = await made.layer({ a: 'a'.repeat(5000) });
  const again = await made.recompressed(layer);
  await made.name('one', await made.image([layer]));
  await made.store.unpacked.unpack('one', await made.chosen('one'));
  await made.name('again', await made.image([again]));
  const state = async (): Promise<unknown> =>
    (await made.store.unpacked.status('again', await made.chosen('again'))).state;
  t.is(await state(), 'absent');
  const lost = fs.readFileSync(made.store.blobs.path(again.blob.digest));
  made.lose(again.blob);
  t.is(await outcome(made.store.unpacked.checkTree(await made.chosen('again'))), 'BLOB_NOT_FOUND ENOENT');
  t.is(await state(), 'failed');
  await made.blob(lost, TYPES.layer);
  t.is(await state(), 'absent');
  t.is(await outcome(made.store.unpacked.checkTree(await made.chosen('again'))), 'OK');
  t.is(await state(), 'registered');
  await made.opened.reopen();
  const { unpacked } = made.store;
  t.like(await unpacked.status('one', await made.chosen('one')), { state: 'registered' });
  await unpacked.unpack('again', await made.chosen('again'));
  t.is(await state(), 'registered');
});

test('a manifest whose bytes have changed on the disk tells nothing, and is read again once it is mended', async (t) => {
  const made = await TestImages.open(t);
  const image = await made.image([await made.layer({ a: 'a' })]);
  const path = made.store.blobs.path(image.digest);
  const text = fs.readFileSync(path);
  fs.chmodSync(path, 0o644);
  fs.writeFileSync(path, text.toString().replace('"schemaVersion":2', '"schemaVersion":3'));
  await made.name('x', image);
  const { fault } = await made.chosen('x');
  t.like(fault, { code: 'BLOB_DAMAGED', errno: 'EIO' });
  // It is the same to whoever exports it.
  await t.throwsAsync(exportImages(made.store, ['x']), { message: fault?.message ?? '' });
  fs.writeFileSync(path, text);
  t.is((await made.chosen('x')).fault, undefined);
  t.is((await made.chains('x')).length, 1);
});

test('where it cannot be known what images need, nothing is removed at a start', async (t) => {
  const made = await TestImages.open(t);
  const lost = { ...(await made.image([await made.layer({ a: 'a' })])), mediaType: TYPES.manifest };
  await made.name('lost', lost);
  await made.store.unpacked.unpack('lost', await made.chosen('lost'));
  const manifest = fs.readFileSync(made.store.blobs.path(lost.digest));
  made.lose(lost);
  await made.opened.reopen();
  t.is((await made.registered()).length, 1);
  // Nor does it go with whoever needs it for a moment.
  const [kept] = made.store.layers.all();
  if (kept) await made.store.layers.ownTree(kept);
  t.is((await made.registered()).length, 1);
  await made.blob(manifest, TYPES.manifest);

  await made.opened.close();
  const index = join(made.opened.root, 'index.json');
  const text = fs.readFileSync(index);
  fs.writeFileSync(index, '{');
  await made.opened.reopen();
  t.is((await made.registered()).length, 1);
  t.true(made.complaints.some((line) => line.startsWith('it is not known which layers images need')));

  fs.writeFileSync(index, text);
  await made.opened.reopen();
  t.is((await made.registered()).length, 1);
  await made.opened.close();
  fs.unlinkSync(index);
  await made.opened.reopen();
  t.deepEqual(await made.registered(), []);
});

test('every blob that index.json reaches is needed, and no other', async (t) => {
  const made = await TestImages.open(t);
  const { unpacked } = made.store;
  const layers = [await made.layer({ a: 'a' }), await made.layer({ b: 'b' })];
  const arm = await made.image(layers.slice(0, 1), { platform: { architecture: 'arm64', os: 'linux' } });
  const amd = await made.image(layers.slice(1));
  const index = await made.index([arm, amd]);
  const loose = await made.blob(Buffer.from('loose'), 'text/plain');
  const text = await made.blob(Buffer.from('text'), 'text/plain');
  await made.name('many', index);
  await made.name('text', text);
  const reached = [index, arm, amd, text, ...layers.map(({ blob }) => blob)].map(({ digest }) => digest);
  for (const digest of reached) t.is(await outcome(unpacked.checkUnneeded(digest)), 'BLOB_HELD EBUSY');
  t.is(await outcome(unpacked.checkUnneeded(loose.digest)), 'OK');
  const error = await t.throwsAsync(unpacked.checkUnneeded(arm.digest));
  t.regex(error.message, /an image of index.json needs the blob: found many$/);
  await made.unname('many');
  for (const digest of reached)
    t.is(await outcome(unpacked.checkUnneeded(digest)), digest === text.digest ? 'BLOB_HELD EBUSY' : 'OK');
});
