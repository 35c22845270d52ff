import test from 'ava';
import fc from 'fast-check';
import { NodeCache } from '../../../store/tree/node-cache.js';
import { TreeReader } from '../../../store/tree/reader.js';
import { propertySettings } from '../../helpers/properties.js';
import { directory, file, Forest, link, symlink, walkTree } from './trees.js';

/** A directory of 5000 names, some of them directories, among others; hard links into it. */
async function sample(forest = new Forest()): Promise<TreeReader> {
  const big = Array.from({ length: 5000 }, (_, i) =>
    i % 10 === 0 ? file(`big/n${i}/x`) : file(`big/n${i}`),
  );
  const links = [file('a/file'), link('a/link', 'a/file'), link('big/n1', 'a/file'), link('z', 'big/n2')];
  return forest.stack([...big, ...links, symlink('s', 'big'), directory('empty')]);
}

test('every inode has one number, which leads to it; only names of one inode share one', async (t) => {
  const reader = await sample();
  const all = await walkTree(reader, 100);
  t.is(all.length, 1 + 5000 + 500 + 1 + 2 + 1 + 1 + 2);
  const byNumber = new Map<number, string[]>();
  for (const { path, ...found } of all) {
    byNumber.set(found.number, [...(byNumber.get(found.number) ?? []), path]);
    t.deepEqual(await reader.inode(found.number), found);
    t.deepEqual(await reader.resolve(path), found);
    t.true(found.number >= 0 && found.number < reader.numbers);
  }
  const shared = [...byNumber.values()].filter((paths) => paths.length > 1);
  t.deepEqual(shared, [
    ['/a/file', '/a/link', '/big/n1'],
    ['/big/n2', '/z'],
  ]);
  t.is((await reader.resolve('a/file'))?.nlink, 3);
});

test('numbers that nothing has lead nowhere', async (t) => {
  const reader = await sample();
  const used = new Set((await walkTree(reader, 100)).map(({ number }) => number));
  for (let number = -1; number < reader.numbers + 2; number++) {
    if (!used.has(number)) t.is(await reader.inode(number), undefined);
  }
  t.is(await reader.inode(2 ** 53), undefined);
});

test('names are the same from wherever a listing begins', async (t) => {
  const reader = await sample();
  const big = await reader.resolve('big');
  if (!big) return t.fail();
  const all = await reader.list(big.number, 0, 10_000);
  const expected = Array.from({ length: 5000 }, (_, i) => `n${i}`).sort();
  t.deepEqual(
    all.map(({ name }) => name),
    expected,
  );
  const property = fc.asyncProperty(fc.nat(5010), fc.integer({ min: 1, max: 700 }), async (from, limit) => {
    t.deepEqual(await reader.list(big.number, from, limit), all.slice(from, from + limit));
  });
  await fc.assert(property, propertySettings(t, 30));
});

test('what is no directory has no names', async (t) => {
  const reader = await sample();
  const found = await reader.resolve('a/file');
  if (!found) return t.fail();
  const notDirectory = { code: 'DIRECTORY_NOT_FOUND' };
  t.throws(() => void reader.lookup(found.number, 'x'), notDirectory);
  t.throws(() => void reader.list(reader.numbers, 0), notDirectory);
  t.is(await reader.resolve('a/file/x'), undefined);
  t.is(await reader.resolve('s/n1'), undefined);
  t.is(await reader.resolve('a/none'), undefined);
});

test('a directory has a link from each of its subdirectories', async (t) => {
  const reader = await sample();
  const nlinks = await Promise.all(['/', 'a', 'big', 'empty'].map(async (path) => reader.resolve(path)));
  t.deepEqual(
    nlinks.map((found) => found?.nlink),
    [5, 2, 502, 2],
  );
});

test('what is in memory is answered at once, and the memory is bounded', async (t) => {
  const forest = new Forest(100_000);
  const reader = await sample(forest);
  const big = await reader.resolve('big');
  if (!big) return t.fail();
  await reader.lookup(big.number, 'n4711');
  const answer = reader.lookup(big.number, 'n4711');
  t.false(answer instanceof Promise);
  t.deepEqual(reader.inode((await answer)?.number ?? -1), answer);
  for (let i = 0; i < 5000; i++) {
    await reader.lookup(big.number, `n${i}`);
    if (forest.cache.size > 100_000) t.fail(`${forest.cache.size} bytes`);
  }
  t.true(forest.cache.size > 50_000);
});

test('one read serves all who wait for the same node', async (t) => {
  const forest = new Forest();
  await sample(forest);
  const { root } = await forest.build(undefined, { entries: [file('a/b')] });
  const cache = new NodeCache(forest.source, 1 << 20);
  const reader = await TreeReader.open(cache, root);
  forest.source.reads = 0;
  await Promise.all(Array.from({ length: 20 }, async () => reader.resolve('a/b')));
  t.is(forest.source.reads, 2);
});

test('a node that is missing, or is not what its digest says, is damage', async (t) => {
  const forest = new Forest();
  const { root, nodes } = await forest.build(undefined, { entries: [file('a/b'), file('c')] });
  for (const [digest, bytes] of nodes) {
    const key = digest.toString('hex');
    for (const bad of [undefined, Buffer.concat([bytes, Buffer.from([0])])]) {
      if (bad) forest.source.nodes.set(key, bad);
      else forest.source.nodes.delete(key);
      const read = async (): Promise<void> => {
        await walkTree(await TreeReader.open(new NodeCache(forest.source, 1 << 20), root));
      };
      // The table of shared inodes is read only for what has several names.
      const used = !nodes.some(([other, leaf]) => other.equals(digest) && leaf.length === 3);
      if (used) await t.throwsAsync(read, { code: 'LAYER_DAMAGED' });
      else await t.notThrowsAsync(read);
    }
    forest.source.nodes.set(key, bytes);
  }
});

test('a name in 125 layers costs what it costs in one', async (t) => {
  const layer = (i: number) => [
    directory(`dir/${i % 7}/`),
    file(`dir/${i % 7}/file${i}`),
    file('dir/common'),
  ];
  const cost = async (depth: number): Promise<number> => {
    const forest = new Forest();
    let root: Buffer | undefined;
    for (let i = 0; i < depth; i++) root = (await forest.build(root, { entries: layer(i) })).root;
    if (!root) throw new Error('no layer');
    const reader = await TreeReader.open(new NodeCache(forest.source, 1 << 20), root);
    forest.source.reads = 0;
    t.is((await reader.resolve('dir/0/file0'))?.inode.type, 'file');
    return forest.source.reads;
  };
  t.is(await cost(125), await cost(1));
});
