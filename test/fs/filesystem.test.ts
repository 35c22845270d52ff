import fs, { constants } from 'node:fs';
import test from 'ava';
import { FsError } from '../../fs/errors.js';
import { FileSystem } from '../../fs/filesystem.js';
import { ROOT_ID } from '../../fs/inodes.js';
import { type FileHandle, nameOf, type Node } from '../../fs/node.js';
import { hexOf } from '../../store/digest.js';
import { parseRef } from '../../store/ref.js';
import { CALLER, listNames } from '../contract/tree-operations.js';
import { seededBytes } from '../helpers/bytes.js';
import { openDescriptors } from '../helpers/descriptors.js';
import { digestOfBytes } from '../helpers/digests.js';
import { errnoFrom } from '../helpers/errno.js';
import { temporaryTree } from '../helpers/trees.js';

const NO_STATFS = (): never => {
  throw new FsError('ENOSYS');
};

function handle(release: () => void): FileHandle {
  return { mode: {}, release };
}

/** A directory in which every file that is made opens as `opened`, with attributes that cannot be had. */
function directoryOf(opened: FileHandle): Node {
  const attr = (): never => {
    throw new FsError('EIO');
  };
  const file: Node = { type: constants.S_IFREG, validity: { entry: 0, attr: 0 }, attr, open: () => opened };
  return {
    type: constants.S_IFDIR,
    validity: { entry: 0, attr: 0 },
    attr,
    create: () => ({ node: file, handle: opened }),
  };
}

test('a file whose attributes cannot be had after it was made is closed again', async (t) => {
  let released = 0;
  const tree = new FileSystem(directoryOf(handle(() => released++)), NO_STATFS);
  t.is(await errnoFrom(() => tree.create(ROOT_ID, nameOf('x'), 0, 0, CALLER)), 'EIO');
  t.is(released, 1);
  t.is(tree.files.size, 0);
});

test('at the end every file is released, whatever becomes of the others', async (t) => {
  const released: number[] = [];
  const tree = new FileSystem(directoryOf(handle(() => undefined)), NO_STATFS);
  for (let index = 0; index < 4; index++)
    tree.files.add(
      handle(() => {
        released.push(index);
        if (index % 2 === 0) throw new Error('disk');
      }),
    );
  await tree.close();
  t.deepEqual(released, [0, 1, 2, 3]);
});

test('numbers that are not open, or stand for something else, are refused', async (t) => {
  const { fs } = await temporaryTree(t);
  const { id: version } = await fs.lookup(
    (await fs.lookup(ROOT_ID, nameOf('.cas'), CALLER)).id,
    nameOf('version'),
    CALLER,
  );
  t.is(await errnoFrom(() => fs.read(99, Buffer.alloc(1), 0)), 'EBADF');
  t.is(await errnoFrom(() => fs.write(99, Buffer.alloc(1), 0)), 'EBADF');
  t.is(await errnoFrom(() => fs.flush(99, CALLER)), 'EBADF');
  t.is(await errnoFrom(() => fs.release(99)), 'OK', 'nobody could be told');
  t.is(await errnoFrom(() => fs.readdir(99, 0, () => true)), 'EBADF');
  t.is(await errnoFrom(() => fs.getattr(99)), 'ESTALE');
  t.is(await errnoFrom(() => fs.lookup(version, nameOf('x'), CALLER)), 'ENOTDIR');
  t.is(await errnoFrom(() => fs.mkdir(version, nameOf('x'), 0o755, CALLER)), 'ENOTDIR');
  t.is(await errnoFrom(() => fs.opendir(version)), 'ENOTDIR');
  t.is(await errnoFrom(() => fs.open(ROOT_ID, 0, CALLER)), 'EISDIR');
  t.is(await errnoFrom(() => fs.readlink(version)), 'EINVAL');
  const { handle } = await fs.open(version, 0, CALLER);
  t.is(await errnoFrom(() => fs.write(handle, Buffer.alloc(1), 0)), 'EBADF');
  t.is(await errnoFrom(() => fs.allocate(handle, 0, 0, 1)), 'EOPNOTSUPP');
  await fs.release(handle);
  t.is(await errnoFrom(() => fs.read(handle, Buffer.alloc(1), 0)), 'EBADF');
});

test('a file that cannot be given to its owner is not made', async (t) => {
  const { fs, opened } = await temporaryTree(t);
  const { id } = await fs.lookup(ROOT_ID, nameOf('ingest'), CALLER);
  // No user has this number.
  const nobody = { ...CALLER, uid: 2 ** 40 };
  for (let attempt = 0; attempt < 3; attempt++)
    await t.throwsAsync(fs.create(id, nameOf('x'), constants.O_WRONLY, 0o644, nobody));
  t.deepEqual(await listNames(fs, id), []);
  t.deepEqual(openDescriptors(`${opened.root}/fresh`), []);
  const made = await fs.create(id, nameOf('x'), constants.O_WRONLY, 0o644, CALLER);
  await fs.release(made.opened.handle);
});

test('a directory that moves keeps its node, and so do those below it', async (t) => {
  const { fs } = await temporaryTree(t);
  const { id: ingest } = await fs.lookup(ROOT_ID, nameOf('ingest'), CALLER);
  const top = await fs.mkdir(ingest, nameOf('a'), 0o755, CALLER);
  const below = await fs.mkdir(top.id, nameOf('below'), 0o755, CALLER);
  const made = await fs.create(below.id, nameOf('x'), constants.O_WRONLY, 0o644, CALLER);
  await fs.rename(ingest, nameOf('a'), ingest, nameOf('b'), 0, CALLER);
  // The kernel goes on with the numbers it has.
  t.deepEqual(await listNames(fs, top.id), ['below']);
  t.deepEqual(await listNames(fs, below.id), ['x']);
  t.is((await fs.lookup(below.id, nameOf('x'), CALLER)).id, made.entry.id);
  t.is((await fs.lookup(ingest, nameOf('b'), CALLER)).id, top.id);
  const another = await fs.create(below.id, nameOf('y'), constants.O_WRONLY, 0o644, CALLER);
  t.is(Buffer.from(await fs.getxattr(another.entry.id, 'user.cas.ref')).toString(), 'b/below/y');
  t.is(Buffer.from(await fs.getxattr(made.entry.id, 'user.cas.ref')).toString(), 'b/below/x');
  await t.throwsAsync(fs.lookup(ingest, nameOf('a'), CALLER), { message: 'ENOENT' });
  const fresh = await fs.mkdir(ingest, nameOf('a'), 0o755, CALLER);
  t.not(fresh.id, top.id);
  t.deepEqual(await listNames(fs, fresh.id), []);
  for (const { opened } of [made, another]) await fs.release(opened.handle);
});

test('a blob that replaces a damaged one is shown as it is', async (t) => {
  const { fs: tree, opened } = await temporaryTree(t);
  const content = seededBytes(5000);
  const digest = await digestOfBytes(content);
  const name = nameOf(hexOf(digest));
  fs.writeFileSync(opened.store.blobs.path(digest), 'damaged', { mode: 0o444 });
  const { id: blobs } = await tree.lookup(ROOT_ID, nameOf('blobs'), CALLER);
  const { id: parent } = await tree.lookup(blobs, nameOf('sha256'), CALLER);
  t.is((await tree.lookup(parent, name, CALLER)).attr.size, 7);
  const { id: ingest } = await tree.lookup(ROOT_ID, nameOf('ingest'), CALLER);
  const made = await tree.create(ingest, nameOf('x'), constants.O_WRONLY, 0o644, CALLER);
  await (
    await tree.write(made.opened.handle, content, 0)
  ).held;
  await tree.rename(ingest, nameOf('x'), parent, name, 0, CALLER);
  const healed = await tree.lookup(parent, name, CALLER);
  t.is(healed.attr.size, 5000);
  await tree.release(made.opened.handle);
});

test('the old node of a committed ingest can change the blob in no way', async (t) => {
  const { fs: tree, opened } = await temporaryTree(t);
  const content = seededBytes(5000);
  const digest = await digestOfBytes(content);
  const { id: blobs } = await tree.lookup(ROOT_ID, nameOf('blobs'), CALLER);
  const { id: parent } = await tree.lookup(blobs, nameOf('sha256'), CALLER);
  const { id: ingest } = await tree.lookup(ROOT_ID, nameOf('ingest'), CALLER);
  const { entry, opened: file } = await tree.create(ingest, nameOf('x'), constants.O_RDWR, 0o644, CALLER);
  await (
    await tree.write(file.handle, content, 0)
  ).held;
  await tree.rename(ingest, nameOf('x'), parent, nameOf(hexOf(digest)), 0, CALLER);
  const path = opened.store.blobs.path(digest);
  const before = fs.statSync(path, { bigint: true });
  const later = { ...before, atimeNs: 0n };
  for (const changes of [
    { size: 0 },
    { mode: 0o777 },
    { uid: 1, gid: 1 },
    { mtime: 1n },
    { mtime: 'now' },
  ] as const)
    t.not(await errnoFrom(() => tree.setattr(entry.id, changes, CALLER, file.handle)), 'OK');
  t.not(await errnoFrom(() => tree.write(file.handle, Buffer.alloc(1), 0)), 'OK');
  t.not(await errnoFrom(() => tree.open(entry.id, constants.O_RDWR | constants.O_TRUNC, CALLER)), 'OK');
  t.not(await errnoFrom(() => tree.setxattr(entry.id, 'user.cas.total', Buffer.from('1'), 0)), 'OK');
  t.deepEqual({ ...fs.statSync(path, { bigint: true }), atimeNs: 0n }, later);
  await tree.release(file.handle);
});

test('no two things in the tree have the same inode number', async (t) => {
  const { fs, opened } = await temporaryTree(t);
  for (let index = 0; index < 20; index++)
    (await opened.store.ingests.create(parseRef(`x${index}`), 'sha256')).unlock();
  const { id: ingest } = await fs.lookup(ROOT_ID, nameOf('ingest'), CALLER);
  await fs.mkdir(ingest, nameOf('blobs'), 0o755, CALLER);
  await fs.mkdir(ROOT_ID, nameOf('x0'), 0o755, CALLER);
  const numbers: number[] = [(await fs.getattr(ROOT_ID)).ino];
  const walk = async (id: number): Promise<void> => {
    for (const name of await listNames(fs, id)) {
      const entry = await fs.lookup(id, nameOf(name), CALLER);
      numbers.push(entry.attr.ino);
      if (entry.node.type === constants.S_IFDIR) await walk(entry.id);
    }
  };
  await walk(ROOT_ID);
  t.true(numbers.length > 30);
  t.is(new Set(numbers).size, numbers.length);
  t.true(numbers.every((ino) => Number.isSafeInteger(ino) && ino > 0));
});

test('notices go to the transport for what the kernel remembers, and for nothing else', async (t) => {
  const { fs } = await temporaryTree(t);
  const notices: string[] = [];
  const { id, node } = await fs.lookup(ROOT_ID, nameOf('.cas'), CALLER);
  fs.forgetName(node, nameOf('early'));
  fs.notifyThrough({
    invalidateEntry: (parent, name) => void notices.push(`${parent} ${name}`),
    invalidateNode: (of) => void notices.push(`${of}`),
  });
  fs.forgetName(node, nameOf('x'));
  fs.forgetContent(node);
  fs.forget(id, 1);
  fs.forgetContent(node);
  fs.notifyThrough(undefined);
  fs.forgetName(node, nameOf('late'));
  t.deepEqual(notices, [`${id} x`, `${id}`]);
});
