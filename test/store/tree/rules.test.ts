import test from 'ava';
import type { TarEntry } from '../../../store/tar/entry.js';
import { BASE, directory, file, link, merged, symlink } from './trees.js';

interface Rule {
  readonly title: string;
  readonly layers: TarEntry[][];
  readonly gives: string[];
}

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
