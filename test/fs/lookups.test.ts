import fs from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ROOT_ID } from '../../fs/inodes.js';
import { type Name, nameOf } from '../../fs/node.js';
import { CALLER } from '../contract/tree-operations.js';
import { heapInUse } from '../helpers/heap.js';
import { temporaryTree } from '../helpers/trees.js';

const [BLOBS, INGESTS, LOOKUPS] = [2000, 100, 1_000_000];
const MIB = 1 << 20;

test('a million lookups and forgets leave the table and the heap as they were', async (t) => {
  t.timeout(240_000);
  const tree = await temporaryTree(t);
  const { store, root } = tree.opened;
  const names: { parent: string; name: Name }[] = [];
  for (let index = 0; index < BLOBS; index++) {
    const hex = index.toString(16).padStart(64, '0');
    fs.writeFileSync(join(root, 'blobs', 'sha256', hex), 'x', { mode: 0o444 });
    names.push({ parent: 'sha256', name: nameOf(hex) });
  }
  for (let index = 0; index < INGESTS; index++) {
    const ref = `x${index}` as Parameters<typeof store.ingests.create>[0];
    (await store.ingests.create(ref, 'sha256')).unlock();
    names.push({ parent: 'ingest', name: nameOf(ref) });
  }
  const blobs = await tree.fs.lookup(ROOT_ID, nameOf('blobs'), CALLER);
  const parents = new Map([
    ['sha256', (await tree.fs.lookup(blobs.id, nameOf('sha256'), CALLER)).id],
    ['ingest', (await tree.fs.lookup(ROOT_ID, nameOf('ingest'), CALLER)).id],
  ]);
  const baseline = tree.fs.inodes.size;

  /** Each name is looked up up to three times before it is forgotten, in one message or in several. */
  const lookUp = async (count: number): Promise<void> => {
    for (let done = 0, at = 0; done < count; at++) {
      const { parent, name } = names[at % names.length] ?? { parent: '', name: nameOf('') };
      const times = Math.min(count - done, 1 + (at % 3));
      let id = 0;
      for (let time = 0; time < times; time++)
        ({ id } = await tree.fs.lookup(parents.get(parent) ?? ROOT_ID, name, CALLER));
      if (at % 2 === 0) tree.fs.forget(id, times);
      else for (let time = 0; time < times; time++) tree.fs.forget(id, 1);
      done += times;
    }
  };
  await lookUp(50_000);
  const before = heapInUse();
  await lookUp(LOOKUPS);
  const grown = heapInUse() - before;
  t.log(`the heap grew by ${grown} bytes`);
  t.is(tree.fs.inodes.size, baseline);
  t.true(grown < 2 * MIB);
});

test('a node keeps its number while it is remembered, and gets a new one after', async (t) => {
  const tree = await temporaryTree(t);
  const first = await tree.fs.lookup(ROOT_ID, nameOf('.cas'), CALLER);
  const again = await tree.fs.lookup(ROOT_ID, nameOf('.cas'), CALLER);
  t.is(again.id, first.id);
  tree.fs.forget(first.id, 1);
  t.is((await tree.fs.getattr(first.id)).ino, first.attr.ino);
  tree.fs.forget(first.id, 1);
  t.throws(() => tree.fs.getattr(first.id), { message: 'ESTALE' });
  const later = await tree.fs.lookup(ROOT_ID, nameOf('.cas'), CALLER);
  t.not(later.id, first.id);
  t.is(later.attr.ino, first.attr.ino);
});

test('neither the root nor what was never looked up can be forgotten', async (t) => {
  const tree = await temporaryTree(t);
  tree.fs.forget(ROOT_ID, 1_000_000);
  tree.fs.forget(4711, 1);
  t.is((await tree.fs.lookup(ROOT_ID, nameOf('blobs'), CALLER)).attr.nlink, 2);
  t.is(tree.fs.inodes.size, 2);
});

test('failed lookups, creations and links remember nothing', async (t) => {
  const tree = await temporaryTree(t);
  const ingest = await tree.fs.lookup(ROOT_ID, nameOf('ingest'), CALLER);
  const size = tree.fs.inodes.size;
  await t.throwsAsync(tree.fs.lookup(ROOT_ID, nameOf('none'), CALLER), { message: 'ENOENT' });
  await t.throwsAsync(tree.fs.mkdir(ROOT_ID, nameOf('blobs'), 0o755, CALLER));
  await t.throwsAsync(tree.fs.symlink(ingest.id, nameOf('x'), nameOf('y'), CALLER));
  await t.throwsAsync(tree.fs.create(ingest.id, nameOf('a\nb'), 0, 0o644, CALLER));
  await t.throwsAsync(tree.fs.link(ingest.id, ingest.id, nameOf('x'), CALLER));
  t.is(tree.fs.inodes.size, size);
  t.is(tree.fs.files.size, 0);
});
