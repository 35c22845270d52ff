import { constants } from 'node:fs';
import test from 'ava';
import { DirectoryStream } from '../../fs/directory-stream.js';
import { ROOT_ID } from '../../fs/inodes.js';
import { type DirEntry, type Name, nameOf, type Node } from '../../fs/node.js';
import { parseRef } from '../../store/ref.js';
import { CALLER, listNames } from '../contract/tree-operations.js';
import { openDescriptors } from '../helpers/descriptors.js';
import { temporaryTree } from '../helpers/trees.js';

interface Counted {
  readonly node: Node;
  /** How many times the entries were begun, and ended before their end. */
  readonly opened: { begun: number; ended: number };
}

/** A directory of `count` names in batches, some of them empty. */
function directory(count: number, failAt = Infinity): Counted {
  const opened = { begun: 0, ended: 0 };
  const entries = function* (): Generator<readonly DirEntry[]> {
    opened.begun++;
    try {
      for (let index = 0; index < count; index++) {
        if (index === failAt) throw new Error('disk');
        if (index % 7 === 0) yield [];
        yield [{ name: nameOf(`n${index}`), ino: 100 + index, type: constants.S_IFREG }];
      }
    } finally {
      opened.ended++;
    }
  };
  const node: Node = {
    type: constants.S_IFDIR,
    validity: { entry: 0, attr: 0 },
    attr: () => {
      throw new Error('not asked for');
    },
    entries,
  };
  return { node, opened };
}

/** What a read of at most `room` entries from `offset` gives, and the offset to go on from. */
async function read(
  stream: DirectoryStream,
  offset: number,
  room: number,
): Promise<{ names: string[]; next: number }> {
  const names: string[] = [];
  let next = offset;
  await stream.read(offset, 7, ({ name }, after) => {
    if (names.length === room) return false;
    names.push(name);
    next = after;
    return true;
  });
  return { names, next };
}

test('a directory begins with itself and its parent, and ends with nothing', async (t) => {
  const stream = new DirectoryStream(directory(2).node);
  t.deepEqual(await read(stream, 0, 10), { names: ['.', '..', 'n0', 'n1'], next: 4 });
  t.deepEqual(await read(stream, 4, 10), { names: [], next: 4 });
  t.deepEqual(await read(stream, 4, 10), { names: [], next: 4 });
  await stream.close();
});

test('reading on costs nothing: the entries are made once, however small the pieces', async (t) => {
  const { node, opened } = directory(50);
  const stream = new DirectoryStream(node);
  const names: string[] = [];
  for (let offset = 0, done = false; !done;) {
    const piece = await read(stream, offset, 1 + (offset % 3));
    names.push(...piece.names);
    done = piece.names.length === 0;
    offset = piece.next;
  }
  t.is(names.length, 52);
  t.is(new Set(names).size, 52);
  t.deepEqual(opened, { begun: 1, ended: 1 });
  await stream.close();
});

test('any earlier or later offset can be gone to', async (t) => {
  const stream = new DirectoryStream(directory(30).node);
  const { names: all } = await read(stream, 0, 100);
  for (const offset of [5, 0, 31, 1, 2, 30, 29, 32, 17]) {
    const { names } = await read(stream, offset, 3);
    t.deepEqual(names, all.slice(offset, offset + 3), `offset ${offset}`);
  }
  t.deepEqual((await read(stream, 1000, 3)).names, []);
  t.deepEqual((await read(stream, 2, 1)).names, ['n0']);
  await stream.close();
});

test('an entry that does not fit is offered again', async (t) => {
  const stream = new DirectoryStream(directory(3).node);
  t.deepEqual((await read(stream, 0, 0)).names, []);
  t.deepEqual((await read(stream, 0, 3)).names, ['.', '..', 'n0']);
  t.deepEqual((await read(stream, 3, 0)).names, []);
  t.deepEqual((await read(stream, 3, 9)).names, ['n1', 'n2']);
  await stream.close();
});

test('closing ends the entries, also in the middle and before the first read', async (t) => {
  const { node, opened } = directory(30);
  await new DirectoryStream(node).close();
  const stream = new DirectoryStream(node);
  await read(stream, 0, 5);
  await stream.close();
  await stream.close();
  t.deepEqual(opened, { begun: 1, ended: 1 });
});

test('an error of the directory is the error of the read that met it', async (t) => {
  const stream = new DirectoryStream(directory(30, 10).node);
  t.is((await read(stream, 0, 11)).names.length, 11);
  await t.throwsAsync(read(stream, 11, 100), { message: 'disk' });
  await stream.close();
});

test('a directory of ingests is read to its end while they come and go, and each that stays is seen', async (t) => {
  const tree = await temporaryTree(t);
  const { ingests } = tree.opened.store;
  for (let index = 0; index < 300; index++) (await ingests.create(parseRef(`x${index}`), 'sha256')).unlock();
  const { id } = await tree.fs.lookup(ROOT_ID, nameOf('ingest'), CALLER);
  const handle = tree.fs.opendir(id);
  const seen: string[] = [];
  for (let offset = 0, before = -1; before !== offset;) {
    before = offset;
    let room = 20;
    await tree.fs.readdir(handle, offset, ({ name }, next) => {
      if (room-- === 0) return false;
      seen.push(name);
      offset = next;
      return true;
    });
    // Every third one goes while the directory is read.
    for (let index = offset - 2; index < offset + 18; index += 3) {
      const ingest = await ingests.find(parseRef(`x${Math.max(0, index) * 3}`));
      if (ingest) await ingests.remove(ingest);
    }
  }
  await tree.fs.releasedir(handle);
  t.is(new Set(seen).size, seen.length);
  for (let index = 0; index < 300; index++)
    if (index % 3 !== 0) t.true(seen.includes(`x${index}`), `x${index}`);
});

test('reading directories leaves no descriptor open', async (t) => {
  const tree = await temporaryTree(t);
  const { store, root } = tree.opened;
  (await store.ingests.create(parseRef('x'), 'sha256')).unlock();
  await tree.restart();
  const before = openDescriptors(root).length;
  const blobs = await tree.fs.lookup(ROOT_ID, nameOf('blobs'), CALLER);
  const ids = [
    ROOT_ID,
    blobs.id,
    (await tree.fs.lookup(blobs.id, nameOf('sha256'), CALLER)).id,
    (await tree.fs.lookup(ROOT_ID, nameOf('ingest'), CALLER)).id,
  ];
  for (const id of ids) await listNames(tree.fs, id);
  const left = tree.fs.opendir(ids[2] ?? ROOT_ID);
  await tree.fs.readdir(left, 0, () => false);
  await tree.fs.close();
  t.is(openDescriptors(root).length, before);
});

test('the names of a directory are its own: every one that is listed can be looked up', async (t) => {
  const tree = await temporaryTree(t);
  for (const path of [[], ['blobs'], ['.cas']]) {
    let id = ROOT_ID;
    for (const name of path) ({ id } = await tree.fs.lookup(id, nameOf(name), CALLER));
    for (const name of await listNames(tree.fs, id)) {
      const entry = await tree.fs.lookup(id, name as Name, CALLER);
      t.true(entry.attr.ino > 0, name);
    }
  }
});
