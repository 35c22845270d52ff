import nodeFs, { constants } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import type { FileSystem } from '../../fs/filesystem.js';
import { type NodeId, ROOT_ID } from '../../fs/inodes.js';
import { type Name, nameOf } from '../../fs/node.js';
import { hexOf, type Digest } from '../../store/digest.js';
import { CALLER, listNames } from '../contract/tree-operations.js';
import { seededBytes } from '../helpers/bytes.js';
import { openDescriptors } from '../helpers/descriptors.js';
import { digestOfBytes, digestOfFile } from '../helpers/digests.js';
import { errnoFrom } from '../helpers/errno.js';
import { temporaryTree, type TemporaryTree } from '../helpers/trees.js';

const CONTENT = seededBytes(100_000);

interface Direct {
  readonly tree: TemporaryTree;
  readonly fs: FileSystem;
  readonly parent: NodeId;
  readonly name: Name;
  readonly digest: Digest;
  /** Makes the file under its digest; the number of the open file. */
  readonly create: () => Promise<number>;
  readonly write: (handle: number, start: number, end: number) => Promise<void>;
  /** Whether there is a blob, and that it is right. */
  readonly committed: () => Promise<boolean>;
}

async function direct(t: ExecutionContext): Promise<Direct> {
  const tree = await temporaryTree(t);
  const digest = await digestOfBytes(CONTENT);
  const blobs = await tree.fs.lookup(ROOT_ID, nameOf('blobs'), CALLER);
  const { id: parent } = await tree.fs.lookup(blobs.id, nameOf('sha256'), CALLER);
  const name = nameOf(hexOf(digest));
  return {
    tree,
    fs: tree.fs,
    parent,
    name,
    digest,
    create: async () => {
      const { opened } = await tree.fs.create(parent, name, constants.O_WRONLY, 0o644, CALLER);
      return opened.handle;
    },
    write: async (handle, start, end) => {
      const { size, held } = await tree.fs.write(handle, CONTENT.subarray(start, end), start);
      await held;
      t.is(size, end - start);
    },
    committed: async () => {
      const path = tree.opened.store.blobs.path(digest);
      if (!nodeFs.existsSync(path)) return false;
      t.is(await digestOfFile(path), digest);
      return true;
    },
  };
}

test('each close of a duplicate tries, and only the one that finds all bytes succeeds', async (t) => {
  const { fs, create, write, committed } = await direct(t);
  const handle = await create();
  t.is(await errnoFrom(() => fs.flush(handle, CALLER)), 'EBADMSG', 'empty, as a shell leaves it after dup2');
  await write(handle, 0, 60_000);
  t.is(await errnoFrom(() => fs.flush(handle, CALLER)), 'EBADMSG');
  t.false(await committed());
  await write(handle, 60_000, 100_000);
  t.is(await errnoFrom(() => fs.flush(handle, CALLER)), 'OK');
  t.true(await committed());
  t.is(await errnoFrom(() => fs.flush(handle, CALLER)), 'OK');
  t.is(await errnoFrom(() => write(handle, 0, 10)), 'EBADF');
  await fs.release(handle);
  t.true(await committed());
});

test('duplicates that are closed at once share one commit', async (t) => {
  const { fs, create, write, committed } = await direct(t);
  const handle = await create();
  await write(handle, 0, 100_000);
  const flushes = await Promise.all(
    Array.from({ length: 5 }, () => errnoFrom(() => fs.flush(handle, CALLER))),
  );
  t.deepEqual(flushes, ['OK', 'OK', 'OK', 'OK', 'OK']);
  await fs.release(handle);
  t.true(await committed());
});

test('a write that meets the failing close of a duplicate waits and succeeds', async (t) => {
  const { fs, create, write, committed } = await direct(t);
  const handle = await create();
  await write(handle, 0, 80_000);
  const flush = errnoFrom(() => fs.flush(handle, CALLER));
  await Promise.resolve();
  await write(handle, 80_000, 100_000);
  t.true(['EBADMSG', 'OK'].includes(await flush));
  t.is(await errnoFrom(() => fs.flush(handle, CALLER)), 'OK');
  await fs.release(handle);
  t.true(await committed());
});

test('after the close that committed it, what may be changed of the blob can be through a duplicate', async (t) => {
  const { tree, fs, parent, name, digest, write, committed } = await direct(t);
  const { entry, opened } = await fs.create(parent, name, constants.O_WRONLY, 0o644, CALLER);
  const { handle } = opened;
  await write(handle, 0, 100_000);
  await fs.setattr(entry.id, { mtime: 1n }, CALLER);
  await fs.flush(handle, CALLER);
  const mtime = 978_307_200_123_456_789n;
  await fs.setattr(entry.id, { atime: 'now', mtime }, CALLER);
  t.is(nodeFs.statSync(tree.opened.store.blobs.path(digest), { bigint: true }).mtimeNs, mtime);
  t.is((await fs.lookup(parent, name, CALLER)).attr.mtime, mtime);
  t.is(await errnoFrom(() => fs.setattr(entry.id, { mode: 0o666 }, CALLER)), 'EROFS');
  t.is(await errnoFrom(() => fs.setattr(entry.id, { size: 0 }, CALLER, handle)), 'EBADF');
  await fs.release(handle);
  t.true(await committed());
});

test('times are set where the close has failed, and not once the blob is removed', async (t) => {
  const { fs, parent, name, write } = await direct(t);
  const { entry, opened } = await fs.create(parent, name, constants.O_WRONLY, 0o644, CALLER);
  const { handle } = opened;
  t.is(await errnoFrom(() => fs.flush(handle, CALLER)), 'EBADMSG');
  t.is((await fs.setattr(entry.id, { mtime: 5n }, CALLER)).mtime, 5n);
  await write(handle, 0, 100_000);
  await fs.flush(handle, CALLER);
  await fs.unlink(parent, name, CALLER);
  t.is(await errnoFrom(() => fs.setattr(entry.id, { mtime: 5n }, CALLER)), 'EBADF');
  await fs.release(handle);
});

test('what is not committed in the end is dropped, with its descriptor', async (t) => {
  const { tree, fs, parent, name, create, write, committed } = await direct(t);
  for (const flushed of [true, false]) {
    const handle = await create();
    await write(handle, 0, 50_000);
    if (flushed) await errnoFrom(() => fs.flush(handle, CALLER));
    await fs.release(handle);
    t.false(await committed());
    t.deepEqual(await tree.opened.store.ingests.list(), []);
    await t.throwsAsync(fs.lookup(parent, name, CALLER), { message: 'ENOENT' });
  }
  t.deepEqual(openDescriptors(`${tree.opened.root}/fresh`), []);
  t.is(fs.files.size, 0);
});

test('a name that is being written is neither listed nor found, and others may write it, too', async (t) => {
  const { tree, fs, parent, name, create, write } = await direct(t);
  const handle = await create();
  const second = await create();
  const refs = (await tree.opened.store.ingests.list()).map(({ ref }) =>
    nameOf(ref.slice('/blobs/sha256/'.length)),
  );
  t.deepEqual(refs, [name, `2-${name}`]);
  for (const ref of refs) {
    await t.throwsAsync(fs.lookup(parent, ref, CALLER), { message: 'ENOENT' });
    t.is(await errnoFrom(() => fs.unlink(parent, ref, CALLER)), 'ENOENT');
  }
  await write(handle, 0, 100_000);
  t.deepEqual(await listNames(fs, parent), []);
  t.is(await errnoFrom(() => fs.rename(parent, name, parent, nameOf('.x'), 0, CALLER)), 'EROFS');
  await fs.flush(handle, CALLER);
  await fs.release(handle);
  await fs.release(second);
  t.deepEqual(await listNames(fs, parent), [name]);
  t.deepEqual(await tree.opened.store.ingests.list(), []);
});

test('what a crash left under a digest gives way to the next attempt', async (t) => {
  const opened = await direct(t);
  const handle = await opened.create();
  await opened.write(handle, 0, 70_000);
  // The daemon ends without a release; its store is opened by the next.
  await opened.tree.opened.reopen();
  await opened.tree.restart();
  const { fs } = opened.tree;
  const blobs = await fs.lookup(ROOT_ID, nameOf('blobs'), CALLER);
  const { id: parent } = await fs.lookup(blobs.id, nameOf('sha256'), CALLER);
  t.deepEqual(await listNames(fs, parent), []);
  const again = await fs.create(parent, opened.name, constants.O_WRONLY, 0o644, CALLER);
  t.is(again.entry.attr.size, 0);
  await (
    await fs.write(again.opened.handle, CONTENT, 0)
  ).held;
  await fs.flush(again.opened.handle, CALLER);
  await fs.release(again.opened.handle);
  t.true(await opened.committed());
  t.deepEqual(await opened.tree.opened.store.ingests.list(), []);
});

test('a mount that ends drops what was being written', async (t) => {
  const { tree, fs, create, write, committed } = await direct(t);
  const handle = await create();
  await write(handle, 0, 70_000);
  await fs.close();
  t.false(await committed());
  t.deepEqual(await tree.opened.store.ingests.list(), []);
});
