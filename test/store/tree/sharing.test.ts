import test from 'ava';
import fc from 'fast-check';
import { NodeCache } from '../../../store/tree/node-cache.js';
import { TreeReader } from '../../../store/tree/reader.js';
import { propertySettings } from '../../helpers/properties.js';
import { directory, file, Forest, link, walkTree } from './trees.js';

const many = Array.from({ length: 1000 }, (_, i) => [
  directory(`d/${i}`),
  file(`d/${i}/a`, { uid: i }),
]).flat();

test('one file that changes in a tree of 1000 directories makes a node for each directory above it', async (t) => {
  const forest = new Forest();
  const lower = await forest.build(undefined, { entries: many });
  t.true(lower.nodes.length > 1000);
  forest.cache = new NodeCache(forest.source, 1 << 20);
  forest.source.reads = 0;
  const upper = await forest.build(lower.root, { entries: [file('d/500/a')] });
  // The root, its directory, the index of d and one leaf of it, d/500.
  t.is(upper.nodes.length, 5);
  t.is(forest.source.reads, 5);
  t.is(upper.entries, 2001);

  const [before, after] = [
    await TreeReader.open(forest.cache, lower.root),
    await TreeReader.open(forest.cache, upper.root),
  ];
  for (const i of [0, 499, 501, 999]) {
    t.deepEqual((await after.resolve(`d/${i}`))?.inode, (await before.resolve(`d/${i}`))?.inode);
  }
});

test('a layer that says what is there already makes the same tree', async (t) => {
  const forest = new Forest();
  const lower = await forest.build(undefined, { entries: many });
  const upper = await forest.build(lower.root, { entries: many });
  t.deepEqual(upper.root, lower.root);
  t.is(upper.nodes.length, 0);
});

test('an empty layer makes no node and reads none but the root', async (t) => {
  const forest = new Forest();
  const lower = await forest.build(undefined, { entries: [...many, file('x'), link('y', 'x')] });
  forest.source.reads = 0;
  forest.cache = new NodeCache(forest.source, 1 << 20);
  const upper = await forest.build(lower.root, { entries: [file('d/1/.wh.none')] });
  t.deepEqual(upper.root, lower.root);
  t.is(upper.nodes.length, 0);
  t.true(forest.source.reads <= 5);
});

test('a directory without hard links is taken away unread', async (t) => {
  const forest = new Forest();
  const lower = await forest.build(undefined, { entries: [...many, file('x/y')] });
  forest.source.reads = 0;
  forest.cache = new NodeCache(forest.source, 1 << 20);
  const upper = await forest.build(lower.root, { entries: [file('.wh.d')] });
  t.is(upper.entries, 2);
  // The root and its directory, and d as one that could be changed.
  t.true(forest.source.reads <= 3, String(forest.source.reads));
});

const name = fc.nat(3000).map((i) => `big/${i.toString(36)}`);
const step = fc.record({
  added: fc.array(name, { maxLength: 60 }),
  hidden: fc.array(name, { maxLength: 60 }),
});

test('a big directory has the same nodes however it came about', async (t) => {
  const base = Array.from({ length: 3000 }, (_, i) => i).filter((i) => i % 3 !== 0);
  const first = base.map((i) => `big/${i.toString(36)}`);
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
    const forest = new Forest();
    let { root } = await forest.build(undefined, { entries: first.map((path) => file(path)) });
    const names = new Set(first);
    for (const { added, hidden } of steps) {
      const whiteouts = hidden.map((path) => file(path.replace('/', '/.wh.')));
      root = (await forest.build(root, { entries: [...added.map((path) => file(path)), ...whiteouts] })).root;
      for (const path of hidden) names.delete(path);
      for (const path of added) names.add(path);
    }
    const anew = await new Forest().build(undefined, { entries: [...names].map((path) => file(path)) });
    t.deepEqual(root, anew.root);
  });
  await fc.assert(property, propertySettings(t, 25));
});

test('a big directory that is emptied name by name is as one that never had any', async (t) => {
  const forest = new Forest();
  const names = Array.from({ length: 2000 }, (_, i) => `n${i}`);
  const lower = await forest.build(undefined, {
    entries: [directory('d'), ...names.map((n) => file(`d/${n}`))],
  });
  const upper = await forest.build(lower.root, { entries: names.map((n) => file(`d/.wh.${n}`)) });
  t.deepEqual(upper.root, (await forest.build(undefined, { entries: [directory('d')] })).root);
});

test('one name more in a directory of 20,000 makes few nodes, and small ones', async (t) => {
  const forest = new Forest(8 << 20);
  const names = Array.from({ length: 20_000 }, (_, i) => file(`n${(i * 7919) % 20_000}`));
  const lower = await forest.build(undefined, { entries: names });
  t.true(lower.nodes.length > 40 && lower.nodes.length < 140, String(lower.nodes.length));
  for (const extra of ['a', 'n5000x', 'z']) {
    const upper = await forest.build(lower.root, { entries: [file(extra)] });
    t.true(upper.nodes.length <= 4, String(upper.nodes.length));
    t.is(upper.entries, 20_001);
  }
});

test('large entries make smaller leaves', async (t) => {
  const forest = new Forest();
  const xattrs = [['user.a', Buffer.alloc(30_000)]] as const;
  const entries = Array.from({ length: 50 }, (_, i) => file(`n${i}`, { xattrs: [...xattrs] }));
  const { nodes } = await forest.build(undefined, { entries });
  t.true(nodes.every(([, bytes]) => bytes.length < 128 << 10));
});

test('a path of 2045 directories is built and read', async (t) => {
  const forest = new Forest();
  const path = 'd/'.repeat(2045);
  const lower = await forest.build(undefined, { entries: [file(`${path}x`)] });
  t.is(lower.entries, 2046);
  const upper = await forest.build(lower.root, { entries: [file(`${path}.wh.x`), file('y')] });
  t.is(upper.entries, 2046);
  t.is((await walkTree(await TreeReader.open(forest.cache, upper.root))).length, 2047);
});
