import test from 'ava';
import { CasError } from '../../../store/errors.js';
import type { Inode, NodeDigest } from '../../../store/tree/inode.js';
import { TreeReader } from '../../../store/tree/reader.js';
import { randomStacks, SEED } from './random-stacks.js';
import { Forest, walkTree } from './trees.js';

const STACKS = 250;

function details(inode: Inode): Record<string, unknown> {
  switch (inode.type) {
    case 'file':
      return { size: inode.size, sha256: inode.payload?.digest.toString('hex') };
    case 'symlink':
      return { target: inode.target };
    case 'character':
    case 'block':
      return { major: inode.major, minor: inode.minor };
    default:
      return {};
  }
}

async function printed(reader: TreeReader): Promise<Record<string, unknown>[]> {
  const first = new Map<number, string>();
  const all = await walkTree(reader);
  for (const { path, number } of all) if (!first.has(number)) first.set(number, path);
  return all.map(({ path, number, inode, nlink }) => ({
    path,
    first: first.get(number),
    type: inode.type,
    attributes: [
      inode.mode,
      inode.uid,
      inode.gid,
      inode.mtime.seconds,
      inode.xattrs.map(([name, value]) => [name, value.toString()]),
    ],
    nlink,
    ...details(inode),
  }));
}

test('random stacks of layers give the tree that an independent model makes of them', async (t) => {
  t.timeout(180_000);
  t.log(`seed ${SEED}, ${STACKS} stacks`);
  const stacks = randomStacks(STACKS);
  t.is(stacks.length, STACKS);
  t.true(stacks.some(({ tree }) => tree === null));
  for (const { layers, tree } of stacks) {
    // So small that nodes are dropped and read again all the time.
    const forest = new Forest(2000);
    let base: NodeDigest | undefined;
    let refused = false;
    for (const [index, layer] of layers.entries()) {
      try {
        base = (await forest.build(base, layer)).root;
      } catch (error) {
        refused = error instanceof CasError && error.code === 'LAYER_INVALID' && index === layers.length - 1;
        if (!refused) throw error;
      }
    }
    t.is(refused, tree === null);
    if (!tree || !base) continue;
    t.deepEqual(await printed(await TreeReader.open(forest.cache, base)), tree);
  }
});
