import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { parseDigest, type Digest } from '../../../store/digest.js';
import { CasError } from '../../../store/errors.js';
import { imageHolder } from '../../../store/images/held-by-images.js';
import { passingHolder } from '../../../store/layers/holders.js';
import { descriptorSource } from '../../../store/layers/layer-source.js';
import { type Described, TestImages } from './test-images.js';

const UNKNOWN = parseDigest(`sha256:${'0'.repeat(64)}`);

async function outcome(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'OK',
    (error: unknown) =>
      error instanceof CasError ? `${error.code} ${error.errno}` : String((error as { code?: unknown }).code),
  );
}

/** Lets a blob fail to open, as where no descriptor is left, until it is mended; how often it was tried. */
function failing(made: TestImages, digest: Digest): { mend: () => void; readonly tries: number } {
  const { blobs } = made.store;
  const open = blobs.open.bind(blobs);
  let tries = 0;
  let failed = true;
  blobs.open = async (one) => {
    if (one === digest) tries++;
    if (one === digest && failed) throw Object.assign(new Error('EMFILE: too many'), { code: 'EMFILE' });
    return open(one);
  };
  return {
    mend: () => (failed = false),
    get tries() {
      return tries;
    },
  };
}

/** Puts a layer on a stack of its own. */
async function stacked(made: TestImages, { digest, size }: Described): Promise<Digest> {
  await made.store.stacks.make('s');
  const fd = await made.store.blobs.open(digest);
  const { chain } = await made.store.stacks.push('s', descriptorSource(fd, size));
  fs.closeSync(fd);
  return chain;
}

/** Asks until it is answered otherwise. */
async function until(wanted: string, ask: () => Promise<unknown>): Promise<void> {
  for (const ends = Date.now() + 20_000; (await outcome(ask())) !== wanted && Date.now() < ends;)
    await sleep(20);
}

test('what cannot be read now may need any blob; it is read again before long, but not at each question', async (t) => {
  const made = await TestImages.open(t);
  const { unpacked } = made.store;
  const layer = await made.layer({ a: 'a' });
  const loose = await made.blob(Buffer.from('loose'), 'text/plain');
  const image = await made.image([layer]);
  const failure = failing(made, image.digest);
  await made.name('x', image);
  for (let times = 0; times < 100; times++) {
    t.is(await outcome(unpacked.checkUnneeded(layer.blob.digest)), 'BLOB_HELD EBUSY');
    t.is(await outcome(unpacked.bring(UNKNOWN)), 'EMFILE');
  }
  t.true(failure.tries < 50);
  const error = await t.throwsAsync(unpacked.checkUnneeded(loose.digest));
  t.regex(error.message, /found perhaps x, which cannot be read now: EMFILE/);
  t.is(made.complaints.length, 1);
  failure.mend();
  await until('OK', () => unpacked.checkUnneeded(loose.digest));
  t.is(await outcome(unpacked.checkUnneeded(loose.digest)), 'OK');
  t.is(await outcome(unpacked.checkUnneeded(layer.blob.digest)), 'BLOB_HELD EBUSY');
  t.is(await unpacked.bring(UNKNOWN), undefined);
  const [chain = UNKNOWN] = await made.chains('x');
  t.is((await unpacked.bring(chain))?.chain, chain);
});

test('while it cannot be read what an image needs, no layer goes', async (t) => {
  const made = await TestImages.open(t);
  const [needed, other] = [await made.layer({ a: 'a' }), await made.layer({ b: 'b' })];
  const chain = await stacked(made, needed.blob);
  const image = await made.image([needed]);
  await made.opened.reopen();
  await made.store.stacks.load();
  const { stacks, layers, unpacked } = made.store;
  const failure = failing(made, image.digest);
  await made.name('x', image);
  t.is(await outcome(stacks.remove('s')), 'LAYER_HELD EBUSY');
  t.is(await outcome(stacks.pop('s')), 'LAYER_HELD EBUSY');
  t.is(stacks.get('s')?.top, chain);
  // Nor does one that somebody lets go who cannot be refused it.
  const holder = passingHolder('test');
  const fd = await made.store.blobs.open(other.blob.digest);
  const loose = await layers.register(descriptorSource(fd, other.blob.size), { holder });
  fs.closeSync(fd);
  t.deepEqual(await layers.release(loose.chain, holder), []);
  t.is(layers.get(loose.chain), loose);

  failure.mend();
  await until('OK', () => unpacked.checkUnneeded(UNKNOWN));
  await unpacked.settle();
  t.deepEqual(await made.registered(), [chain]);
  t.deepEqual(await stacks.remove('s'), []);
  t.deepEqual(layers.holdersOf(chain), [imageHolder(image.digest)]);
});

test('a layer that an image needs stays from the moment that index.json has the image', async (t) => {
  const made = await TestImages.open(t);
  const layer = await made.layer({ a: 'a' });
  const chain = await stacked(made, layer.blob);
  const image = await made.image([layer]);
  const { blobs } = made.store;
  const open = blobs.open.bind(blobs);
  // It takes a while to find out what the image needs.
  blobs.open = async (digest) => {
    if (digest === image.digest) await sleep(100);
    return open(digest);
  };
  await made.name('x', image);
  t.deepEqual(await made.store.stacks.remove('s'), []);
  t.deepEqual(await made.registered(), [chain]);
  t.deepEqual(made.store.layers.holdersOf(chain), [imageHolder(image.digest)]);
  await made.unname('x');
  await made.store.unpacked.settle();
  t.deepEqual(await made.registered(), []);
});

test('a blob goes before index.json has an image that needs it, or not at all', async (t) => {
  const made = await TestImages.open(t);
  const { unpacked, blobs } = made.store;
  const layer = await made.layer({ a: 'a' });
  const image = await made.image([layer]);
  const order: string[] = [];
  const remove = blobs.remove.bind(blobs);
  blobs.remove = async (digest) => {
    await sleep(100);
    await remove(digest);
    order.push('gone');
  };
  const nobody = (): Promise<void> => Promise.resolve();
  const removed = unpacked.removeBlob(layer.blob.digest, nobody);
  await made.name('x', image).then(() => order.push('acknowledged'));
  await removed;
  t.deepEqual(order, ['gone', 'acknowledged']);
  t.is(await outcome(unpacked.removeBlob(image.digest, nobody)), 'BLOB_HELD EBUSY');
  t.truthy(blobs.stat(image.digest));
});
