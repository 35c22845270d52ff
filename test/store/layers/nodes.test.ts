import test from 'ava';
import type { Layer } from '../../../store/layers/layer.js';
import { listing, tarOf, temporaryLayers } from './tools.js';

/** A directory of so many files, the same each time. */
function directory(name: string, count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`${name}/sub/file${n}`, `${n % 7}`]));
}

const orders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

test('chains that make the same directories have them once, and each outlasts the others', async (t) => {
  const made = temporaryLayers(t);
  const tars = ['a', 'b', 'c'].map((own) => tarOf(t, { ...directory('same', 300), [own]: own }));
  for (const [round, order] of orders.entries()) {
    const layers: Layer[] = [];
    for (const tar of tars) layers.push(await made.add(tar));
    const trees = await Promise.all(layers.map((layer) => listing(made.layers, layer)));
    if (round % 2 === 1) await made.reopen();
    for (const [place, gone] of order.entries()) {
      await made.layers.discard(layers[gone]?.chain ?? t.fail());
      // From the disk, not from memory.
      if (round % 2 === 1) await made.reopen();
      for (const left of order.slice(place + 1)) {
        const layer = layers[left];
        t.deepEqual(layer && (await listing(made.layers, layer)), trees[left]);
      }
    }
    await made.close();
    t.deepEqual(await made.rows(), {});
    await made.reopen();
  }
  t.deepEqual(made.complaints, []);
});

test('a layer that makes again what its chain has made before shares it', async (t) => {
  const made = temporaryLayers(t);
  const one = tarOf(t, { ...directory('same', 300), x: 'x' });
  const base = await made.add(one);
  const without = await made.add(tarOf(t, { '.wh.same': '' }), base);
  const again = await made.add(one, without);
  const other = await made.add(one, again);
  const tree = await listing(made.layers, again);
  t.deepEqual(await listing(made.layers, base), tree);
  await made.layers.discard(other.chain);
  await made.layers.discard(again.chain);
  await made.reopen();
  t.deepEqual(await listing(made.layers, made.layers.require(base.chain)), tree);
  await made.layers.discard(without.chain);
  await made.reopen();
  t.deepEqual(await listing(made.layers, made.layers.require(base.chain)), tree);
  await made.layers.discard(base.chain);
  await made.close();
  t.deepEqual(await made.rows(), {});
});

test('many layers that come and go at once leave the nodes of those that stay', async (t) => {
  const made = temporaryLayers(t);
  const tars = Array.from({ length: 8 }, (_, n) =>
    tarOf(t, { ...directory('same', 40), ...directory(`of${n % 3}`, 30), [`own${n}`]: '' }),
  );
  const expected = new Map<string, string[]>();
  for (let round = 0; round < 4; round++) {
    const layers = await Promise.all(tars.map((tar) => made.add(tar)));
    for (const layer of layers) {
      const tree = await listing(made.layers, layer);
      t.deepEqual(tree, expected.get(layer.chain) ?? tree);
      expected.set(layer.chain, tree);
    }
    const goes = layers.filter((_, n) => (n + round) % 3 !== 0);
    await Promise.all(goes.map(({ chain }) => made.layers.discard(chain)));
    for (const { chain } of made.layers.all())
      t.deepEqual(await listing(made.layers, made.layers.require(chain)), expected.get(chain));
    if (round === 1) await made.reopen();
  }
  await Promise.all(made.layers.all().map(({ chain }) => made.layers.discard(chain)));
  await made.close();
  t.deepEqual(await made.rows(), {});
});
