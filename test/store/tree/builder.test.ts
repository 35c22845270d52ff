import test from 'ava';
import type { TarEntry } from '../../../store/tar/entry.js';
import { LAYER_LIMITS } from '../../../store/tree/layer-limits.js';
import { NodeCache } from '../../../store/tree/node-cache.js';
import { TreeBuilder } from '../../../store/tree/builder.js';
import { TreeReader } from '../../../store/tree/reader.js';
import { directory, entry, file, Forest, link, MemorySource, outline, symlink } from './trees.js';

/** What layers give. */
async function merged(...layers: TarEntry[][]): Promise<string[]> {
  return outline(await new Forest().stack(...layers));
}

interface Rule {
  readonly title: string;
  readonly layers: TarEntry[][];
  readonly gives: string[];
}

const BASE = [directory('d/'), file('d/a'), file('d/b'), file('f'), symlink('l', 'd'), symlink('abs', '/d')];
const BASE_OUTLINE = ['/abs -> /d', '/d/', '/d/a', '/d/b', '/f', '/l -> d'];
const without = (...paths: string[]) => BASE_OUTLINE.filter((path) => !paths.includes(path));

const RULES: Rule[] = [
  { title: 'an empty layer gives an empty tree', layers: [[]], gives: [] },
  { title: 'an empty layer changes nothing', layers: [BASE, []], gives: BASE_OUTLINE },
  { title: 'a whiteout hides a file below', layers: [BASE, [file('d/.wh.a')]], gives: without('/d/a') },
  {
    title: 'a whiteout hides a directory with all that it has',
    layers: [BASE, [file('.wh.d')]],
    gives: without('/d/', '/d/a', '/d/b'),
  },
  { title: 'a whiteout of nothing does nothing', layers: [BASE, [file('x/y/.wh.z')]], gives: BASE_OUTLINE },
  {
    title: 'a whiteout is one whatever type it has',
    layers: [BASE, [directory('d/.wh.a/'), symlink('d/.wh.b', 'f')]],
    gives: without('/d/a', '/d/b'),
  },
  {
    title: 'a whiteout hides nothing of its own layer, also when it comes later',
    layers: [BASE, [file('d/a'), file('d/.wh.a'), file('.wh.f'), file('f')]],
    gives: BASE_OUTLINE,
  },
  {
    title: 'an opaque directory hides what is below, not what its layer has, wherever the mark stands',
    layers: [BASE, [file('d/new'), file('d/.wh..wh..opq')]],
    gives: ['/abs -> /d', '/d/', '/d/new', '/f', '/l -> d'],
  },
  { title: 'the root can be opaque', layers: [BASE, [file('.wh..wh..opq'), file('x')]], gives: ['/x'] },
  {
    title: 'an opaque directory that is nowhere does nothing',
    layers: [BASE, [file('x/.wh..wh..opq')]],
    gives: BASE_OUTLINE,
  },
  {
    title: 'a whiteout beside an opaque mark does no more',
    layers: [BASE, [file('d/.wh.a'), file('d/.wh..wh..opq')]],
    gives: without('/d/a', '/d/b'),
  },
  {
    title: 'names of AUFS are hidden',
    layers: [
      [file('.wh..wh.aufs'), directory('.wh..wh.orph/'), file('.wh..wh.plnk/1'), file('.wh.x/y'), file('z')],
    ],
    gives: ['/z'],
  },
  {
    title: 'a hard link to a pseudo-link is a copy',
    layers: [
      [
        file('.wh..wh.plnk/1.2', { mode: 0o600 }),
        link('a', '.wh..wh.plnk/1.2'),
        link('b', '/.wh..wh.plnk/1.2'),
      ],
    ],
    gives: ['/a', '/b'],
  },
  {
    title: 'a file replaces a directory',
    layers: [BASE, [file('d')]],
    gives: ['/abs -> /d', '/d', '/f', '/l -> d'],
  },
  {
    title: 'a directory replaces a file',
    layers: [BASE, [directory('f/')]],
    gives: ['/abs -> /d', '/d/', '/d/a', '/d/b', '/f/', '/l -> d'],
  },
  {
    title: 'a directory replaces a symlink and leaves its target alone',
    layers: [BASE, [directory('l/'), file('l/x')]],
    gives: ['/abs -> /d', '/d/', '/d/a', '/d/b', '/f', '/l/', '/l/x'],
  },
  {
    title: 'a directory over a directory keeps its names',
    layers: [BASE, [directory('d/')]],
    gives: BASE_OUTLINE,
  },
  {
    title: 'a name given twice is what it was given last',
    layers: [[file('a'), symlink('./a', 'x'), file('b'), directory('b'), file('b/c')]],
    gives: ['/a -> x', '/b/', '/b/c'],
  },
  {
    title: 'an entry below a symlink goes where it leads',
    layers: [BASE, [file('l/x'), file('abs/y')]],
    gives: ['/abs -> /d', '/d/', '/d/a', '/d/b', '/d/x', '/d/y', '/f', '/l -> d'],
  },
  {
    title: 'a symlink does not lead out of the root',
    layers: [[symlink('d/out', '../../../..'), file('d/out/x'), symlink('e', '/../../y'), file('e/z')]],
    gives: ['/d/', '/d/out -> ../../../..', '/e -> /../../y', '/x', '/y/', '/y/z'],
  },
  {
    title: 'whiteouts go through symlinks',
    layers: [BASE, [file('l/.wh.a'), file('abs/.wh.b')]],
    gives: without('/d/a', '/d/b'),
  },
  {
    title: 'an opaque mark goes through a symlink',
    layers: [BASE, [file('l/.wh..wh..opq')]],
    gives: without('/d/a', '/d/b'),
  },
  {
    title: 'whiteouts do not go through a symlink that their own layer replaces with a directory',
    layers: [BASE, [directory('l/'), file('l/.wh..wh..opq'), file('l/.wh.a')]],
    gives: ['/abs -> /d', '/d/', '/d/a', '/d/b', '/f', '/l/'],
  },
  {
    title: 'a symlink that leads nowhere becomes a way to a new directory',
    layers: [[symlink('l', 'x/y'), file('l/z')]],
    gives: ['/l -> x/y', '/x/', '/x/y/', '/x/y/z'],
  },
  {
    title: 'an entry below a hard link to a symlink goes where that leads',
    layers: [[symlink('l', 'x'), link('m', 'l'), file('m/z')]],
    gives: ['/l -> x', '/m -> x', '/x/', '/x/z'],
  },
  {
    title: 'a file above an entry becomes a directory',
    layers: [BASE, [file('f/x/y')]],
    gives: ['/abs -> /d', '/d/', '/d/a', '/d/b', '/f/', '/f/x/', '/f/x/y', '/l -> d'],
  },
  {
    title: 'hard links to earlier names and to lower layers make one inode',
    layers: [BASE, [link('d/c', './f'), link('g', '/d/c'), file('h'), link('i', 'h')]],
    gives: ['/abs -> /d', '/d/', '/d/a', '/d/b', '/d/c 3', '/f 3', '/g 3', '/h 2', '/i 2', '/l -> d'],
  },
  {
    title: 'a hard link to a symlink is one more name of the symlink',
    layers: [[symlink('l', 'x'), link('m', 'l')]],
    gives: ['/l -> x', '/m -> x'],
  },
  { title: 'a hard link to itself changes nothing', layers: [[file('a'), link('a', './a')]], gives: ['/a'] },
  {
    title: 'a whiteout of one name leaves the others',
    layers: [[file('a'), link('b', 'a'), link('c', 'a')], [file('.wh.a')]],
    gives: ['/b 2', '/c 2'],
  },
  {
    title: 'replacing one name leaves the others',
    layers: [[file('a'), link('b', 'a')], [file('a')]],
    gives: ['/a', '/b'],
  },
  {
    title: 'a whiteout of a directory counts the names that it had, at any depth',
    layers: [[file('d/e/f/a'), link('b', 'd/e/f/a'), link('c', 'b'), link('d/x', 'b')], [file('.wh.d')]],
    gives: ['/b 2', '/c 2'],
  },
  {
    title: 'an opaque mark counts the names that its directory had',
    layers: [
      [file('d/a'), link('d/e/b', 'd/a'), link('c', 'd/a')],
      [file('d/e/.wh.b'), file('d/.wh..wh..opq')],
    ],
    gives: ['/c', '/d/'],
  },
  {
    title: 'a name replaced before its directory is counts once',
    layers: [
      [file('d/a'), link('d/b', 'd/a'), link('c', 'd/a')],
      [file('d/a'), link('d/x', 'd/b'), file('d')],
    ],
    gives: ['/c', '/d'],
  },
  {
    title: 'a hard link in place of a name of the same inode changes nothing',
    layers: [[file('a'), link('b', 'a')], [link('b', 'a')]],
    gives: ['/a 2', '/b 2'],
  },
  {
    title: 'a hard link in place of the directory of its target is what remains',
    layers: [[file('a/b'), link('a', 'a/b')]],
    gives: ['/a'],
  },
  {
    title: 'an inode without names is gone',
    layers: [
      [file('a'), link('b', 'a')],
      [file('.wh.a'), file('.wh.b')],
    ],
    gives: [],
  },
];

for (const { title, layers, gives } of RULES) {
  test(title, async (t) => t.deepEqual(await merged(...layers), gives));
}

const REFUSED: [title: string, layers: TarEntry[][], code: string, errno?: string][] = [
  ['a hard link to a directory', [[directory('d'), link('a', 'd')]], 'LAYER_INVALID', 'EBADMSG'],
  ['a hard link to the root', [[link('a', '/')]], 'LAYER_INVALID'],
  ['a hard link to nothing', [[link('a', 'b')]], 'LAYER_INVALID'],
  ['a hard link to what comes later', [[link('a', 'b'), file('b')]], 'LAYER_INVALID'],
  ['a hard link to what the layer hides', [BASE, [link('a', 'f'), file('.wh.f')]], 'LAYER_INVALID'],
  ['a hard link to a whiteout', [BASE, [file('.wh.f'), link('a', '.wh.f')]], 'LAYER_INVALID'],
  ['a hard link to a pseudo-link that is missing', [[link('a', '.wh..wh.plnk/1')]], 'LAYER_INVALID'],
  ['a hard link whose target leaves the root', [[file('a'), link('b', '../a')]], 'LAYER_INVALID'],
  ['a whiteout of nothing at all', [BASE, [file('.wh.')]], 'LAYER_INVALID'],
  ['a whiteout of ..', [BASE, [file('d/.wh...')]], 'LAYER_INVALID'],
  ['a name outside the root', [[file('a/../../b')]], 'LAYER_INVALID'],
  ['a symlink to itself on the way', [[symlink('l', 'l'), file('l/x')]], 'LAYER_INVALID', 'ELOOP'],
  ['such a symlink in a whiteout', [[symlink('l', 'l')], [file('l/.wh.x')]], 'LAYER_INVALID', 'ELOOP'],
  ['a long component', [[file('x'.repeat(256))]], 'LAYER_INVALID', 'ENAMETOOLONG'],
  [
    'one that a symlink asks for',
    [[symlink('l', 'x'.repeat(256)), file('l/a')]],
    'LAYER_INVALID',
    'ENAMETOOLONG',
  ],
  ['a whiteout that a symlink asks for', [[symlink('l', '.wh.a'), file('l/a')]], 'LAYER_INVALID'],
  ['a file as the root', [[file('./')]], 'LAYER_INVALID'],
  ['a symlink as the root', [[symlink('/', 'x')]], 'LAYER_INVALID'],
  ['a symlink to nothing', [[symlink('l', '')]], 'LAYER_INVALID'],
  ['a symlink that is too long', [[symlink('l', 'x'.repeat(4096))]], 'LAYER_TOO_LARGE', 'EFBIG'],
  ['an owner above 2^32 - 1', [[file('a', { uid: 2 ** 32 })]], 'LAYER_INVALID'],
  [
    'an extended attribute of 64 KiB and a byte',
    [[file('a', { xattrs: [['user.a', Buffer.alloc(65537)]] })]],
    'LAYER_TOO_LARGE',
  ],
  [
    'a path made longer than any by symlinks',
    [[file(`${'d/'.repeat(1500)}x`), symlink('l', 'd/'.repeat(1500)), file(`l/${'e/'.repeat(1500)}x`)]],
    'LAYER_TOO_LARGE',
  ],
];

for (const [title, layers, code, errno] of REFUSED) {
  test(`refused: ${title}`, async (t) => {
    const error = await t.throwsAsync(merged(...layers), { code });
    if (errno !== undefined) t.is((error as { errno?: string } | undefined)?.errno, errno);
  });
}

test('40 symlinks are followed, 41 are not', async (t) => {
  const chain = (length: number) => [
    directory('end/'),
    ...Array.from({ length }, (_, i) => symlink(`l${i}`, i === 0 ? 'end' : `l${i - 1}`)),
  ];
  t.true((await merged([...chain(40), file('l39/x')])).includes('/end/x'));
  await t.throwsAsync(merged([...chain(41), file('l40/x')]), { code: 'LAYER_INVALID' });
});

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

test('a layer has only so many names, implied directories among them', async (t) => {
  const limits = { ...LAYER_LIMITS, names: 4 };
  const add = async (entries: TarEntry[]): Promise<void> => {
    const builder = await TreeBuilder.open(new NodeCache(new MemorySource(), 1000), undefined, limits);
    for (const one of entries) builder.survey(one);
    for (const one of entries) await builder.add(one);
  };
  await t.notThrowsAsync(add([file('a/b/c'), file('d')]));
  await t.throwsAsync(add([file('a/b/c'), file('d'), file('d')]), { code: 'LAYER_TOO_LARGE' });
  await t.throwsAsync(add([file('a/b/c/d/e')]), { code: 'LAYER_TOO_LARGE' });
});
