import { constants } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { ROOT_ID } from '../../fs/inodes.js';
import { nameOf } from '../../fs/node.js';
import type { StatusJson } from '../../store/ingest/status-json.js';
import type { PathOperations } from '../contract/path-operations.js';
import { CALLER, treeOperations } from '../contract/tree-operations.js';
import { digestOfBytes } from '../helpers/digests.js';
import { errnoFrom } from '../helpers/errno.js';
import { type TemporaryTree, temporaryTree } from '../helpers/trees.js';

const { O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } = constants;

interface Subject {
  readonly tree: TemporaryTree;
  readonly calls: PathOperations;
  /** Makes an ingest that holds its own path. */
  readonly make: (path: string) => Promise<void>;
  readonly status: (path: string) => Promise<StatusJson>;
}

async function subject(t: ExecutionContext): Promise<Subject> {
  const tree = await temporaryTree(t);
  const calls = treeOperations(
    () => tree.fs,
    () => tree.restart(),
  );
  return {
    tree,
    calls,
    make: async (path) => {
      const file = await calls.open(path, O_WRONLY | O_CREAT);
      await file.write(Buffer.from(path), 0);
      await file.close();
    },
    status: async (path) => {
      const file = await calls.open(path, O_RDONLY);
      try {
        return JSON.parse((await file.read(65_536, 0)).toString()) as StatusJson;
      } finally {
        await file.close();
      }
    },
  };
}

test('each ingest has a file with its status, where it is among the others', async (t) => {
  const { calls, make, status } = await subject(t);
  await calls.mkdir('ingest/job');
  await calls.mkdir('ingest/job/empty');
  const places = {
    'ingest/x': '.cas/status/x.json',
    'ingest/x.json': '.cas/status/x.json.json',
    'ingest/job/書類.tar': '.cas/status/job/書類.tar.json',
    'blobs/sha256/.tmp': '.cas/status-root/blobs/sha256/.tmp.json',
    top: '.cas/status-root/top.json',
  };
  for (const [path, shown] of Object.entries(places)) {
    await make(path);
    // The digest is null where hashing has not caught up in time.
    let told = await status(shown);
    while (told.digest === null) told = await status(shown);
    t.like(told, {
      ref: path.startsWith('ingest/') ? path.slice('ingest/'.length) : `/${path}`,
      size: Buffer.byteLength(path),
      digest: await digestOfBytes(Buffer.from(path)),
    });
  }
  t.deepEqual((await calls.readdir('.cas/status')).sort(), ['job', 'x.json', 'x.json.json']);
  t.deepEqual((await calls.readdir('.cas/status/job')).sort(), ['empty', '書類.tar.json']);
  t.deepEqual((await calls.readdir('.cas/status-root')).sort(), ['blobs', 'top.json']);
  t.deepEqual(await calls.readdir('.cas/status/job/empty'), []);
});

test('an ingest and a directory that is called as its file would be are both shown', async (t) => {
  const { calls, make, status } = await subject(t);
  await make('ingest/a');
  await calls.mkdir('ingest/a.json');
  await make('ingest/a.json/b');
  t.deepEqual((await calls.readdir('.cas/status')).sort(), ['a.json', 'a.json.d']);
  t.is((await status('.cas/status/a.json')).ref, 'a');
  t.is((await status('.cas/status/a.json.d/b.json')).ref, 'a.json/b');
});

test('a status goes with its ingest', async (t) => {
  const { calls, make, status } = await subject(t);
  await make('ingest/a');
  const open = await calls.open('.cas/status/a.json', O_RDONLY);
  await calls.rename('ingest/a', 'ingest/b');
  t.is(await errnoFrom(() => calls.stat('.cas/status/a.json')), 'ENOENT');
  t.is((await status('.cas/status/b.json')).ref, 'b');
  t.is((JSON.parse((await open.read(65_536, 0)).toString()) as StatusJson).ref, 'a');
  await open.close();
  await calls.unlink('ingest/b');
  t.is(await errnoFrom(() => calls.open('.cas/status/b.json', O_RDONLY)), 'ENOENT');
  t.deepEqual(await calls.readdir('.cas/status'), []);
});

test('a status that is opened when its ingest has just gone is not there', async (t) => {
  const { tree, calls, make } = await subject(t);
  await make('ingest/a');
  const { fs } = tree;
  const about = await fs.lookup(ROOT_ID, nameOf('.cas'), CALLER);
  const directory = await fs.lookup(about.id, nameOf('status'), CALLER);
  const file = await fs.lookup(directory.id, nameOf('a.json'), CALLER);
  await calls.unlink('ingest/a');
  t.is(await errnoFrom(() => fs.open(file.id, O_RDONLY, CALLER)), 'ENOENT');
});

test('the kernel is told of no more nodes than it remembers, and of the same one while it does', async (t) => {
  const { tree, calls, make } = await subject(t);
  await make('ingest/a');
  const { fs } = tree;
  const before = fs.inodes.size;
  const about = await fs.lookup(ROOT_ID, nameOf('.cas'), CALLER);
  const directory = await fs.lookup(about.id, nameOf('status'), CALLER);
  const file = await fs.lookup(directory.id, nameOf('a.json'), CALLER);
  t.is((await fs.lookup(directory.id, nameOf('a.json'), CALLER)).id, file.id);
  fs.forget(file.id, 2);
  t.not((await fs.lookup(directory.id, nameOf('a.json'), CALLER)).id, file.id);
  t.is((await calls.stat('.cas/status/a.json')).ino, file.attr.ino);
  t.true(fs.inodes.size > before);
});

test('a name that would be longer than 255 bytes is left out, and its ingest tells its status itself', async (t) => {
  const { calls, make } = await subject(t);
  const [fits, long] = ['f'.repeat(250), 'l'.repeat(251)];
  await make(`ingest/${fits}`);
  await make(`ingest/${long}`);
  t.deepEqual(await calls.readdir('.cas/status'), [`${fits}.json`]);
  t.is(await errnoFrom(() => calls.stat(`.cas/status/${long}.json`)), 'ENAMETOOLONG');
  t.is(await calls.getxattr(`ingest/${long}`, 'user.cas.offset'), `${'ingest/'.length + 251}`);
});

test('nothing below .cas can be changed', async (t) => {
  const { calls, make } = await subject(t);
  await calls.mkdir('ingest/d');
  await make('ingest/a');
  const file = '.cas/status/a.json';
  for (const [what, call] of Object.entries({
    'open for writing': () => calls.open(file, O_WRONLY),
    'open with O_TRUNC': () => calls.open(file, O_RDONLY | O_TRUNC),
    create: () => calls.open('.cas/status/new', O_WRONLY | O_CREAT),
    mkdir: () => calls.mkdir('.cas/status/new'),
    unlink: () => calls.unlink(file),
    rmdir: () => calls.rmdir('.cas/status/d'),
    rename: () => calls.rename(file, 'ingest/b'),
    'rename onto it': () => calls.rename('ingest/a', file),
    truncate: () => calls.truncate(file, 0),
    chmod: () => calls.chmod(file, 0o644),
  }))
    t.is(await errnoFrom(call), 'EROFS', what);
});

test('a file whose text is made when it is opened is shown as empty, and always with the same times', async (t) => {
  const { calls, make } = await subject(t);
  await make('ingest/a');
  for (const path of ['.cas/version', '.cas/stats', '.cas/status/a.json']) {
    const before = await calls.stat(path);
    const file = await calls.open(path, O_RDONLY);
    t.true((await file.read(65_536, 0)).length > 0, path);
    t.deepEqual(await file.stat(), before, path);
    await file.close();
    t.is(before.size, 0, path);
    t.is(before.mode & 0o7777, 0o444, path);
  }
});
