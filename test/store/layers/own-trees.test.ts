import fs from 'node:fs';
import test from 'ava';
import type { Layer } from '../../../store/layers/layer.js';
import { walkTree } from '../tree/trees.js';
import { noise, tarBytes, tarOf, temporaryLayers, type TestLayers } from './tools.js';

async function own({ layers }: TestLayers, { chain }: Layer): Promise<string[]> {
  const all = await walkTree(await layers.ownTree(layers.require(chain)), 50);
  return all.map(({ path, number, inode: { type, mode, mtime } }) =>
    [path, number, type, mode, mtime.seconds].join(' '),
  );
}

const files = Object.fromEntries(
  Array.from({ length: 400 }, (_, n) => [`same/d${n % 20}/f${n}`, noise(n, 'same')]),
);

test('what layers themselves have is made once, outlasts damage, and goes with them to the last row', async (t) => {
  const made = temporaryLayers(t);
  const base = await made.add(tarOf(t, { ...files, a: 'a' }));
  const other = await made.add(tarOf(t, { ...files, b: 'b' }));
  const top = await made.add(tarOf(t, { 'same/d1/.wh.f1': '', 'same/d2/.wh..wh..opq': '', ...files }), base);
  const trees = await Promise.all([base, other, top].map((layer) => own(made, layer)));
  t.true(trees[2]?.some((line) => line.startsWith('/same/d2 ')));
  await made.reopen();
  const again = async (): Promise<void> => {
    t.deepEqual(await Promise.all([base, other, top].map((layer) => own(made, layer))), trees);
  };
  await again();
  await made.reopen(() => fs.rmSync(made.path('layers', 'index', 'rows', 'CURRENT')));
  await again();
  // Nodes are shared by layers and by both trees of one, and stay as long as somebody has them.
  await made.layers.discard(other.chain);
  await made.reopen();
  t.deepEqual(await own(made, top), trees[2]);
  t.deepEqual(await own(made, base), trees[0]);
  await made.layers.discard(top.chain);
  await made.reopen();
  t.deepEqual(await own(made, base), trees[0]);
  t.true((await tarBytes(made.layers, made.layers.require(base.chain))).length > 0);
  await made.layers.discard(base.chain);
  await made.close();
  t.deepEqual(await made.rows(), {});
  await made.reopen();
});

test('who stops waiting for what a layer itself has ends its making, and nobody holds it then', async (t) => {
  const made = temporaryLayers(t);
  const layer = await made.add(tarOf(t, files));
  const abort = new AbortController();
  abort.abort(new Error('enough'));
  await t.throwsAsync(made.layers.ownTree(layer, abort.signal), { message: 'enough' });
  const before = await own(made, layer);
  const opened = await made.layers.ownTree(layer);
  t.is(await made.layers.ownTree(layer), opened);
  t.deepEqual(await own(made, layer), before);
  t.deepEqual(made.layers.holdersOf(layer.chain), ['user']);
  await t.throwsAsync(made.layers.ownTree({ ...layer }), { code: 'LAYER_NOT_FOUND' });
});
