import test from 'ava';
import { TreeReader } from '../../../store/tree/reader.js';
import { directory, entry, file, Forest } from './trees.js';

test('missing parents have attributes of their own', async (t) => {
  const reader = await new Forest().stack([file('a/b')]);
  for (const path of ['/', 'a']) {
    const found = await reader.resolve(path);
    t.like(found?.inode, {
      type: 'directory',
      mode: 0o755,
      uid: 0,
      gid: 0,
      mtime: { seconds: 0, nanoseconds: 0 },
    });
  }
});

test('parents that a layer does not name keep their attributes', async (t) => {
  const reader = await new Forest().stack([directory('a', { mode: 0o1777, uid: 5 })], [file('a/b')]);
  t.like((await reader.resolve('a'))?.inode, { mode: 0o1777, uid: 5, mtime: { seconds: 1000 } });
});

test('a directory over a directory replaces all attributes', async (t) => {
  const lower = directory('a', { mode: 0o700, xattrs: [['user.x', Buffer.from('1')]] });
  const upper = directory('a', { uid: 7, xattrs: [['user.y', Buffer.from('2')]] });
  const reader = await new Forest().stack([lower, file('a/b')], [upper]);
  t.like((await reader.resolve('a'))?.inode, { mode: 0o755, uid: 7, xattrs: [['user.y', Buffer.from('2')]] });
});

test('an entry of the root sets its attributes', async (t) => {
  const reader = await new Forest().stack([directory('./', { mode: 0o711 })], [file('a')]);
  t.like((await reader.resolve('/'))?.inode, { mode: 0o711, mtime: { seconds: 1000 } });
});

test('the header of a hard link means nothing', async (t) => {
  const reader = await new Forest().stack([
    file('a', { mode: 0o600, uid: 1 }),
    entry('link', 'b', { linkName: 'a', mode: 0o777, uid: 2, xattrs: [['user.x', Buffer.from('1')]] }),
  ]);
  const [a, b] = [await reader.resolve('a'), await reader.resolve('b')];
  t.deepEqual(a, b);
  t.like(a?.inode, { mode: 0o600, uid: 1, xattrs: [] });
});

test('marks of overlayfs are dropped, other extended attributes are kept and the last of a name wins', async (t) => {
  const names = [
    'user.z',
    'trusted.overlay.opaque',
    'trusted.overlay.overlay.redirect',
    'user.overlay.whiteout',
    'user.fuseoverlayfs.opaque',
    'trusted.other',
    'security.capability',
    'user.z',
  ];
  const xattrs = names.map((name, index) => [name, Buffer.from([index, 0, 255])] as const);
  const reader = await new Forest().stack([file('a', { xattrs })]);
  t.deepEqual((await reader.resolve('a'))?.inode.xattrs, [
    ['security.capability', Buffer.from([6, 0, 255])],
    ['trusted.other', Buffer.from([5, 0, 255])],
    ['user.z', Buffer.from([7, 0, 255])],
  ]);
});

test('devices, also 0:0, and fifos are in the tree', async (t) => {
  const reader = await new Forest().stack([
    entry('character', 'c'),
    entry('block', 'b', { major: 8, minor: 300 }),
    entry('fifo', 'p'),
  ]);
  t.like((await reader.resolve('c'))?.inode, { type: 'character', major: 0, minor: 0 });
  t.like((await reader.resolve('b'))?.inode, { type: 'block', major: 8, minor: 300 });
  t.like((await reader.resolve('p'))?.inode, { type: 'fifo' });
});

test('sparse files keep where their data is', async (t) => {
  const forest = new Forest();
  const content = {
    size: 100,
    extents: [
      { offset: 10, length: 5 },
      { offset: 90, length: 10 },
    ],
  };
  const hole = file('hole', { size: 1 << 30 });
  const { root } = await forest.build(undefined, {
    entries: [file('sparse', { size: 100 }), hole],
    content: ({ name }) => (name === 'sparse' ? content : undefined),
  });
  const reader = await TreeReader.open(forest.cache, root);
  t.like((await reader.resolve('sparse'))?.inode, content);
  t.like((await reader.resolve('hole'))?.inode, { type: 'file', size: 1 << 30, payload: undefined });
});
