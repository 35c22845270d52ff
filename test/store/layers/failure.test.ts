import fs from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { CasError } from '../../../store/errors.js';
import type { Layer } from '../../../store/layers/layer.js';
import { smallDisk } from '../../e2e/disk.js';
import { empty, fill, rooted } from '../../helpers/disks.js';
import { openDescriptors } from '../../helpers/descriptors.js';
import { errnoFrom } from '../../helpers/errno.js';
import {
  holder,
  listing,
  noise,
  sourceOf,
  tarBytes,
  tarOf,
  temporaryLayers,
  type TestLayers,
} from './tools.js';

/** The code and errno of a registration that must fail, of which nothing may be left. */
async function refusal(
  t: ExecutionContext,
  made: TestLayers,
  action: () => Promise<unknown>,
): Promise<string> {
  const before = made.onDisk;
  const error = await t.throwsAsync(action);
  t.deepEqual(made.onDisk, before);
  t.deepEqual(openDescriptors(made.path('payloads')), []);
  t.deepEqual(openDescriptors(made.path('layers', 'staging')), []);
  return error instanceof CasError ? `${error.code} ${error.errno}` : String(error);
}

test('what cannot be a layer is refused, and nothing is left of it', async (t) => {
  const made = temporaryLayers(t);
  const tar = tarOf(t, { a: noise(400_000, 'a'), b: noise(3000, 'b') });
  const gzip = gzipSync(tar);
  const flipped = Buffer.from(gzip);
  flipped[gzip.length - 6] = (flipped[gzip.length - 6] ?? 0) ^ 1;
  const header = Buffer.from(tar);
  header[512 + 148] = 0x39;
  const bad = {
    'a gzip with a wrong checksum': flipped,
    'a gzip that is cut short': gzip.subarray(0, 300_000),
    'no tar': noise(200_000, 'rubbish'),
    'a header with a wrong checksum': header,
    'a tar that is cut in a file': tar.subarray(0, 250_000),
  };
  for (const [what, bytes] of Object.entries(bad))
    t.is(await refusal(t, made, () => made.add(bytes)), 'LAYER_INVALID EBADMSG', what);
  const below = await made.add(tar);
  for (const [what, bytes] of Object.entries(bad))
    t.is(await refusal(t, made, () => made.add(bytes, below)), 'LAYER_INVALID EBADMSG', what);
  t.deepEqual(made.layers.holdersOf(below.chain), ['user']);
});

test('a layer on a chain that is not there is refused', async (t) => {
  const made = temporaryLayers(t);
  const parent = { chain: `sha256:${'1'.repeat(64)}` } as unknown as Layer;
  t.is(await refusal(t, made, () => made.add(Buffer.alloc(1024), parent)), 'LAYER_NOT_FOUND ENOENT');
});

test('a chain has 125 layers and no more', async (t) => {
  const made = temporaryLayers(t);
  let layer: Layer | undefined;
  for (let depth = 1; depth <= 125; depth++)
    layer = await made.add(Buffer.alloc(1024), layer, { holder: holder('all') });
  t.is(layer?.depth, 125);
  t.is(await refusal(t, made, () => made.add(Buffer.alloc(1024), layer)), 'LAYER_TOO_DEEP EMLINK');
  t.is(made.onDisk.layers, 125);
});

test('the limits of size and entries are refused beyond, and good up to them', async (t) => {
  const tar = tarOf(t, { a: noise(200_000, 'a'), b: 'b' });
  const exact = temporaryLayers(t, { size: tar.length, entries: 3 });
  await exact.add(gzipSync(tar));
  const small = temporaryLayers(t, { size: tar.length - 1 });
  for (const bytes of [tar, gzipSync(tar)])
    t.is(await refusal(t, small, () => small.add(bytes)), 'LAYER_TOO_LARGE EFBIG');
  const few = temporaryLayers(t, { entries: 2 });
  t.is(await refusal(t, few, () => few.add(tar)), 'LAYER_TOO_LARGE EFBIG');
});

test('one that is aborted ends with the reason, and nothing is left of it', async (t) => {
  const made = temporaryLayers(t);
  const below = await made.add(tarOf(t, { base: 'base' }));
  const tar = tarOf(t, { a: noise(3 << 20, 'a'), b: noise(3000, 'b') });
  for (const bytes of [0, 1 << 18, 1 << 20, tar.length]) {
    const aborting = new AbortController();
    const reason = new Error(`after ${bytes}`);
    const how = {
      holder: holder('who'),
      signal: aborting.signal,
      progress: (progress: { bytes: number }) => {
        if (progress.bytes >= bytes) aborting.abort(reason);
      },
    };
    t.is(await refusal(t, made, () => made.add(tar, below, how)), String(reason));
  }
  t.deepEqual(made.layers.holdersOf(below.chain), ['user']);
});

test('a source that fails has the registration fail with its error', async (t) => {
  const made = temporaryLayers(t);
  const tar = tarOf(t, { a: noise(1 << 20, 'a') });
  async function* failing(): AsyncGenerator<Buffer> {
    yield* sourceOf(tar.subarray(0, 600_000)).bytes;
    throw new Error('the disk has gone');
  }
  const register = () =>
    made.layers.register({ size: tar.length, bytes: failing() }, { holder: holder('who') });
  t.is(await refusal(t, made, register), 'Error: the disk has gone');
});

test('a parent that is let go of stays until its child is there or has failed', async (t) => {
  const made = temporaryLayers(t);
  for (const good of [true, false]) {
    const below = await made.add(tarOf(t, { base: noise(140_000, 'base') }));
    const tar = good ? tarOf(t, { a: 'a' }) : noise(10_000, 'rubbish');
    async function* bytes(): AsyncGenerator<Buffer> {
      t.deepEqual(await made.layers.discard(below.chain), []);
      yield tar;
    }
    const registered = made.layers
      .register({ size: tar.length, bytes: bytes() }, { parent: below.chain, holder: holder('child') })
      .catch(() => undefined);
    const child = await registered;
    t.is(child !== undefined, good);
    t.is(made.layers.get(below.chain), good ? below : undefined);
    if (!child) continue;
    t.is((await listing(made.layers, child)).length, 3);
    await made.layers.release(child.chain, holder('child'));
  }
  t.deepEqual(made.onDisk, { layers: 0, staged: 0, sets: 0 });
});

test('nobody comes to hold a layer that is being removed', async (t) => {
  const made = temporaryLayers(t);
  const below = await made.add(tarOf(t, { base: 'base' }));
  const removed = made.layers.discard(below.chain);
  while (made.onDisk.layers > 0) await new Promise(setImmediate);
  t.is(await errnoFrom(() => made.layers.hold(below.chain, holder('late'))), 'ENOENT');
  t.is((await removed).length, 1);
});

test('a registration that outlasts the store fails, and nothing is left of it', async (t) => {
  const made = temporaryLayers(t);
  const below = await made.add(tarOf(t, { base: 'base' }));
  const tar = tarOf(t, { a: noise(3 << 20, 'a'), b: noise(3000, 'b') });
  async function* bytes(): AsyncGenerator<Buffer> {
    yield tar.subarray(0, 1 << 20);
    await made.close();
    yield tar.subarray(1 << 20);
  }
  const error = await t.throwsAsync(
    made.layers.register(
      { size: tar.length, bytes: bytes() },
      { parent: below.chain, holder: holder('who') },
    ),
  );
  t.true(error instanceof CasError && error.code === 'METADATA_UNAVAILABLE', String(error));
  t.deepEqual(made.onDisk, { layers: 1, staged: 0, sets: 1 });
  await made.reopen();
  t.deepEqual(made.layers.all(), [below]);
  t.deepEqual(made.onDisk, { layers: 1, staged: 0, sets: 1 });
});

test('what is below staging when a store is opened goes, and a store without the directory works', async (t) => {
  const made = temporaryLayers(t);
  const tar = tarOf(t, { a: noise(5000, 'a') });
  const layer = await made.add(tar);
  const staged = made.path('layers', 'staging');
  await made.reopen(() => {
    fs.mkdirSync(join(staged, 'rubbish', 'deep'), { recursive: true });
    fs.writeFileSync(join(staged, 'file'), 'rubbish');
    fs.mkdirSync(join(staged, 'half'));
    fs.writeFileSync(join(staged, 'half', 'record'), '{"format": 1');
    fs.mkdirSync(made.path('payloads', '0123456789ab'));
  });
  t.deepEqual(made.onDisk, { layers: 1, staged: 0, sets: 1 });
  await made.reopen(() => fs.rmSync(staged, { recursive: true }));
  t.is((await made.layers.discard(layer.chain)).length, 1);
  await made.add(tar);
  await made.reopen(() => fs.rmSync(staged, { recursive: true }));
  await made.add(tarOf(t, { b: 'b' }), layer);
  t.deepEqual(made.complaints, []);
});

rooted('a full disk is ENOSPC, leaves nothing, and all goes on once there is room', async (t) => {
  const disk = await smallDisk(t, 16);
  const root = join(disk, 'store');
  const made = temporaryLayers(t, { root });
  const first = tarOf(t, { 'a/first': noise(2 << 20, 'first'), 'a/small': 'small' });
  const base = await made.add(first);
  const large = tarOf(t, { large: noise(16 << 20, 'large') });
  const packed = tarOf(
    t,
    Object.fromEntries(Array.from({ length: 450 }, (_, n) => [`p/${n}`, noise(40_000, `${n}`)])),
  );
  for (const tar of [large, packed]) {
    t.is(await errnoFrom(() => made.add(tar, base)), 'ENOSPC');
    t.deepEqual(made.onDisk, { layers: 1, staged: 0, sets: 1 });
  }
  // Less and less room: it fails at each of its steps, the last of which write to the index.
  const second = tarOf(t, { 'a/second': noise(200_000, 'second'), 'b/': '' });
  let [done, failed] = [0, 0];
  for (let room = 0; room < 400_000; room += 40_000) {
    fs.writeFileSync(join(disk, 'room'), Buffer.alloc(room));
    fill(disk);
    fs.rmSync(join(disk, 'room'));
    const errno = await errnoFrom(async () => {
      const layer = await made.add(second, base);
      t.true((await tarBytes(made.layers, layer)).equals(second));
    });
    if (errno === 'OK') done++;
    else failed++;
    t.true(['OK', 'ENOSPC'].includes(errno), errno);
    empty(disk);
    const [child] = made.layers.all().filter(({ parent }) => parent === base.chain);
    if (child) t.is((await made.layers.discard(child.chain)).length, 1);
    t.is(made.onDisk.layers, 1);
    t.is(made.onDisk.sets, 1);
  }
  t.log(`${done} done, ${failed} failed`);
  t.true(done > 0 && failed > 0);
  await made.reopen();
  t.deepEqual(made.onDisk, { layers: 1, staged: 0, sets: 1 });
  t.true((await tarBytes(made.layers, base)).equals(first));
  await made.layers.discard(base.chain);
  await made.close();
  t.deepEqual([made.onDisk, await made.rows()], [{ layers: 0, staged: 0, sets: 0 }, {}]);
});
