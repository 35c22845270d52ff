import fs from 'node:fs';
import test from 'ava';
import type { Layer } from '../../../store/layers/layer.js';
import {
  diskUsage,
  digestOf,
  holder,
  listing,
  noise,
  sourceOf,
  tarBytes,
  tarOf,
  temporaryLayers,
} from './tools.js';

const LARGE = 400_000;

/** A tar of its own contents and of some that all have. */
const filesOf = (name: string): Record<string, Buffer> => ({
  [`${name}/own-large`]: noise(LARGE, `large ${name}`),
  [`${name}/own-small`]: noise(9000, `small ${name}`),
  [`${name}/shared-large`]: noise(LARGE, 'shared'),
  [`${name}/shared-small`]: noise(9000, 'shared small'),
});

test('contents are in the store once, and stay as long as somebody needs them', async (t) => {
  const made = temporaryLayers(t);
  const tars = ['a', 'b', 'c'].map((name) => tarOf(t, filesOf(name)));
  const layers: Layer[] = [];
  for (const tar of tars) layers.push(await made.add(tar));
  const [a, b, c] = layers as [Layer, Layer, Layer];
  t.deepEqual([b.uses, c.uses], [[a.set], [a.set]]);
  const full = diskUsage(made.path('payloads'));
  t.true(full < 4 * LARGE + 8 * 9000 + 60_000, `${full}`);
  const trees = [await listing(made.layers, b), await listing(made.layers, c)];

  await made.layers.discard(a.chain);
  t.deepEqual(made.names('payloads', a.set ?? ''), [digestOf(noise(LARGE, 'shared')).slice(7), 'pack']);
  const trimmed = diskUsage(made.path('payloads'));
  t.true(full - trimmed >= LARGE, `${full} ${trimmed}`);
  t.deepEqual([await listing(made.layers, b), await listing(made.layers, c)], trees);
  t.true((await tarBytes(made.layers, b)).equals(tars[1] ?? Buffer.of()));

  await made.layers.discard(b.chain);
  t.deepEqual(made.names('payloads'), [a.set, c.set].sort());
  await made.reopen();
  t.deepEqual(await listing(made.layers, c), trees[1]);
  t.true((await tarBytes(made.layers, c)).equals(tars[2] ?? Buffer.of()));

  await made.layers.discard(c.chain);
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
  t.true(diskUsage(made.path('payloads')) < 10_000);
  await made.close();
  t.deepEqual(await made.rows(), {});
});

test('the pack of a set without its layer has holes for what nobody needs', async (t) => {
  const made = temporaryLayers(t);
  const small = Array.from({ length: 100 }, (_, n) => [`f${n}`, noise(30_000, `${n}`)] as const);
  const a = await made.add(tarOf(t, Object.fromEntries(small)));
  const tar = tarOf(t, { some: small[50]?.[1] ?? '', other: 'other' });
  const b = await made.add(tar);
  const pack = made.path('payloads', a.set ?? '', 'pack');
  const before = fs.statSync(pack);
  await made.layers.discard(a.chain);
  const after = fs.statSync(pack);
  t.is(after.size, before.size);
  t.true(after.blocks * 512 <= 45_056, `${after.blocks}`);
  t.true((await tarBytes(made.layers, b)).equals(tar));
});

test('what a set without its layer has is not shared any more', async (t) => {
  const made = temporaryLayers(t);
  const [a, b] = [await made.add(tarOf(t, filesOf('a'))), await made.add(tarOf(t, filesOf('b')))];
  await made.layers.discard(a.chain);
  const c = await made.add(tarOf(t, filesOf('c')));
  t.deepEqual(c.uses, []);
  await made.layers.discard(b.chain);
  t.deepEqual(made.names('payloads'), [c.set]);
  t.is((await listing(made.layers, c)).length, 6);
});

test('a layer under way keeps what it found in others that go meanwhile', async (t) => {
  for (const good of [true, false]) {
    const made = temporaryLayers(t);
    const a = await made.add(tarOf(t, filesOf('a')));
    const tar = tarOf(t, { ...filesOf('b'), 'z/last': noise(2 << 20, 'last') });
    let used: string[] = [];
    async function* bytes(): AsyncGenerator<Buffer> {
      yield* sourceOf(tar.subarray(0, 1 << 20)).bytes;
      await made.layers.discard(a.chain);
      used = made.names('payloads', a.set ?? '');
      yield* sourceOf(good ? tar.subarray(1 << 20) : noise(1 << 20, 'rubbish')).bytes;
    }
    const registered = made.layers.register({ size: tar.length, bytes: bytes() }, { holder: holder('who') });
    if (!good) {
      await t.throwsAsync(registered);
      t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
      continue;
    }
    const b = await registered;
    t.is(used.length, 3, 'nothing of it was freed before');
    t.deepEqual(b.uses, [a.set]);
    const large = digestOf(noise(LARGE, 'shared')).slice(7);
    t.true(made.names('payloads', a.set ?? '').includes(large));
    t.false(made.names('payloads', a.set ?? '').includes(digestOf(noise(LARGE, 'large a')).slice(7)));
    t.true((await tarBytes(made.layers, b)).equals(tar));
    t.is((await listing(made.layers, b)).length, 8);
    await made.layers.release(b.chain, holder('who'));
    t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
  }
});

test('while a record cannot be read, nothing of it is freed', async (t) => {
  const made = temporaryLayers(t);
  const [a, b] = [await made.add(tarOf(t, filesOf('a'))), await made.add(tarOf(t, filesOf('b')))];
  const tree = await listing(made.layers, b);
  const record = made.path('layers', 'sha256', b.chain.slice(7), 'record');
  const text = fs.readFileSync(record);
  await made.reopen(() => fs.writeFileSync(record, 'rubbish'));
  t.deepEqual(made.complaints, ['a layer cannot be used']);
  await made.layers.discard(a.chain);
  await made.reopen(() => fs.writeFileSync(record, text));
  t.deepEqual(await listing(made.layers, made.layers.require(b.chain)), tree);
});

test('a split file that cannot be read frees nothing that it may need, and fails nobody else', async (t) => {
  const made = temporaryLayers(t);
  const [a, b] = [await made.add(tarOf(t, filesOf('a'))), await made.add(tarOf(t, filesOf('b')))];
  const tree = await listing(made.layers, b);
  fs.truncateSync(made.layers.splitOf(b), 100);
  t.is((await made.layers.discard(a.chain)).length, 1);
  t.deepEqual(await listing(made.layers, b), tree);
  t.deepEqual(made.complaints, ['payloads cannot be freed']);
  t.is((await made.layers.discard(b.chain)).length, 1);
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
});
