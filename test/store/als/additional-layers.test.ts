import fs from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { Digest } from '../../../store/digest.js';
import { walkTree } from '../tree/trees.js';
import { sha256, TestImages } from '../images/test-images.js';

/** One blob as the upper layer of two images, whose lower layers differ. */
async function twoImages(made: TestImages): Promise<Digest> {
  const upper = await made.layer({ upper: 'upper' });
  for (const name of ['registry/one:1', 'registry/two:2'])
    await made.name(name, await made.image([await made.layer({ [name.slice(-1)]: name }), upper]));
  return upper.blob.digest;
}

test('a blob of several images is the layer of the one that is named, and else of one whose blobs are there', async (t) => {
  const made = await TestImages.open(t);
  const blob = await twoImages(made);
  const { additional } = made.store;
  const [, one] = await made.chains('registry/one:1');
  const [, two] = await made.chains('registry/two:2');
  t.is(await additional.find({ path: blob, blob, ref: 'registry/two:2' }), two);
  t.is(await additional.find({ path: blob, blob, ref: 'other' }), one);
  const first = await made.chosen('registry/one:1');
  const [lowest] = first.image?.layers ?? [];
  if (one === undefined || two === undefined || lowest === undefined) return t.fail();
  fs.unlinkSync(made.store.blobs.path(lowest.blob.digest));
  t.is(await additional.find({ path: blob, blob }), two);
  t.is((await additional.blobs()).length, 3);
  t.is(await additional.find({ path: 'x', blob: first.entry.digest }), undefined);
  const layer = await additional.layer({ path: blob, blob }, two);
  const tree = await additional.tree(layer);
  t.deepEqual(
    (await walkTree(tree)).map(({ path }) => path),
    ['', '/upper'],
  );
});

test('uses are counted from run to run, hold layer and blob, and one path does not disturb another', async (t) => {
  const made = await TestImages.open(t);
  const blob = await twoImages(made);
  const [, one] = await made.chains('registry/one:1');
  if (one === undefined) return t.fail();
  const [plain, withRef] = [
    { path: blob, blob },
    { path: `x/${blob}`, blob, ref: 'registry/one:1' },
  ];
  await Promise.all([plain, plain, withRef, plain].map((named) => made.store.additional.use(named, one)));
  await Promise.all([plain, withRef].map(({ path }) => made.store.additional.release(path)));
  await made.store.additional.release('nothing');
  for (const name of ['registry/one:1', 'registry/two:2']) await made.unname(name);
  await made.opened.reopen();
  const { additional, layers } = made.store;
  await layers.load();
  t.deepEqual(layers.holdersOf(one), [`use ${blob}`]);
  t.is(await additional.find(plain), one);
  t.is(await additional.find(withRef), undefined);
  t.is(additional.usesOf(blob), 2);
  await t.throwsAsync(additional.checkUnused(blob), { code: 'LAYER_HELD' });
  await additional.release(blob);
  t.truthy(layers.get(one));
  await additional.release(blob);
  t.deepEqual(await made.registered(), []);
  await additional.checkUnused(blob);
});

test('while uses cannot be read no layer goes', async (t) => {
  const made = await TestImages.open(t);
  const blob = await twoImages(made);
  const [, one] = await made.chains('registry/one:1');
  if (one === undefined) return t.fail();
  await made.store.additional.use({ path: blob, blob }, one);
  await made.unname('registry/one:1');
  await made.opened.close();
  fs.writeFileSync(join(made.opened.root, 'als.json'), '{"format":1,"uses":[{}]}');
  await made.opened.reopen();
  t.is((await made.registered()).length, 2);
  await t.throwsAsync(made.store.additional.find({ path: blob, blob }), { code: 'STORE_INVALID' });
  t.true(made.complaints[0]?.startsWith('it is not known which layers are in use'));
});

test('a blob is shown as no layer that it is not, whatever configs say of it', async (t) => {
  const made = await TestImages.open(t);
  const [own, other] = [await made.layer({ own: 'own' }), await made.layer({ other: 'other' })];
  const blob = own.blob.digest;
  await made.name('other', await made.image([other]));
  await made.store.unpacked.unpack('other', await made.chosen('other'));
  await made.name('false', await made.image([{ blob: own.blob, diff: other.diff }]));
  const { additional } = made.store;
  const named = { path: blob, blob };

  // Alone, it leads to a layer that is there, but is not its own.
  const alone = await additional.find(named);
  if (alone === undefined) return t.fail();
  await t.throwsAsync(additional.layer(named, alone), { code: 'DIGEST_MISMATCH' });
  await t.throwsAsync(additional.info(named, alone), { code: 'DIGEST_MISMATCH' });
  await t.throwsAsync(additional.use(named, alone), { code: 'DIGEST_MISMATCH' });
  t.is(additional.usesOf(blob), 0);

  await made.name('true', await made.image([own]));
  const [chain] = await made.chains('true');
  await made.opened.reopen();
  for (const ref of [undefined, 'true', 'false'])
    t.is(await made.store.additional.find({ path: blob, blob, ...(ref && { ref }) }), chain);
  if (chain === undefined) return t.fail();
  t.is((await made.store.additional.layer(named, chain)).diff, own.diff);
  const there = await made.store.additional.find({ path: other.blob.digest, blob: other.blob.digest });
  t.deepEqual([there], await made.chains('other'));
});

test('what a blob is is found out once, however it is compressed, and not at all where it is known', async (t) => {
  const made = await TestImages.open(t);
  const layer = await made.layer({ a: 'a'.repeat(5000) });
  const again = await made.recompressed(layer);
  await made.name('one', await made.image([layer]));
  await made.store.unpacked.unpack('one', await made.chosen('one'));
  await made.name('again', await made.image([again]));
  const [chain] = await made.chains('again');
  if (chain === undefined) return t.fail();
  const info = async (blob: Digest): Promise<object> =>
    made.store.additional.info({ path: blob, blob }, chain);
  t.like(await info(again.blob.digest), { 'diff-digest': sha256(again.tar), 'diff-size': again.tar.length });

  // The record of the layer says what it was made of.
  await made.opened.reopen();
  await made.store.layers.load();
  made.lose(layer.blob);
  const named = { path: layer.blob.digest, blob: layer.blob.digest };
  t.is((await made.store.additional.layer(named, chain)).chain, chain);
});
