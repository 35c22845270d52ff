import { createHash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { CasError } from '../../../store/errors.js';
import type { NodeDigest } from '../../../store/tree/inode.js';
import { NodeCache } from '../../../store/tree/node-cache.js';
import { TreeReader } from '../../../store/tree/reader.js';
import { propertySettings } from '../../helpers/properties.js';
import { file, Forest, link, symlink, walkTree } from './trees.js';

type Nodes = readonly (readonly [digest: NodeDigest, bytes: Buffer])[];

/** The same nodes with one of them changed, under digests that are right all the same. */
function forged(nodes: Nodes, which: number, change: (bytes: Buffer) => void): Nodes {
  const renamed: (readonly [Buffer, Buffer])[] = [];
  return nodes.map(([digest, original], index) => {
    const bytes = Buffer.from(original);
    for (const [from, to] of renamed) {
      for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) to.copy(bytes, at);
    }
    if (index === which % nodes.length) change(bytes);
    const to = createHash('sha256').update(bytes).digest();
    renamed.push([digest, to]);
    return [to, bytes] as const;
  });
}

async function isRefused(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (error instanceof CasError) return true;
    throw error;
  }
}

test('a tree with a forged node is read to its end or refused, and so is a layer on it', async (t) => {
  const entries = [
    ...Array.from({ length: 700 }, (_, i) => file(`d/n${i}`)),
    ...Array.from({ length: 20 }, (_, i) => file(`e/${i}/f`)),
    link('d/link', 'e/1/f'),
    link('l', 'd/n5'),
    symlink('s', 'd'),
  ];
  const { nodes } = await new Forest().build(undefined, { entries });
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 2 });
  let refusals = 0;
  const property = fc.asyncProperty(fc.nat(), changes, async (which, changed) => {
    const bad = forged(nodes, which, (bytes) => {
      // Where most of a leaf is names and attributes, its first bytes are worth more tries.
      for (const [at, value] of changed) bytes[(at % (at % 2 ? 60 : bytes.length)) % bytes.length] = value;
    });
    const forest = new Forest();
    for (const [digest, bytes] of bad) forest.source.nodes.set(digest.toString('hex'), bytes);
    forest.cache = new NodeCache(forest.source, 1 << 20);
    const root = bad.at(-1)?.[0] ?? Buffer.alloc(32);
    const read = async (): Promise<void> => {
      const reader = await TreeReader.open(forest.cache, root);
      await walkTree(reader, 300);
      for (let number = 0; number < Math.min(reader.numbers, 800); number += 7) await reader.inode(number);
    };
    const layer = [file('.wh.e'), file('d/.wh.n5'), file('d/n6x'), link('s/k', 'l'), file('x/y')];
    if (await isRefused(read)) refusals++;
    await isRefused(() => forest.build(root, { entries: layer }));
  });
  await fc.assert(property, propertySettings(t, 300));
  t.true(refusals > 50, String(refusals));
});
