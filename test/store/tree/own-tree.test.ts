import test from 'ava';
import type { TarEntry } from '../../../store/tar/entry.js';
import type { Inode, NodeDigest } from '../../../store/tree/inode.js';
import { type Found, type Listed, TreeReader } from '../../../store/tree/reader.js';
import { isCasError } from '../../../store/errors.js';
import { randomStacks, SEED } from './random-stacks.js';
import { BASE, directory, file, Forest, type Layer, link, walkTree } from './trees.js';

const STACKS = 100;

/** The trees that layers themselves have, the lowest first, and the one that they are together. */
async function ownTrees(forest: Forest, layers: readonly Layer[]): Promise<[TreeReader[], TreeReader]> {
  const own: TreeReader[] = [];
  let base: NodeDigest | undefined;
  for (const layer of layers) {
    own.push(await TreeReader.open(forest.cache, (await forest.buildOwn(base, layer)).root));
    base = (await forest.build(base, layer)).root;
  }
  if (base === undefined) throw new Error('no layer');
  return [own, await TreeReader.open(forest.cache, base)];
}

const isWhiteout = ({ type, ...rest }: Inode): boolean =>
  type === 'character' && 'major' in rest && rest.major === 0 && rest.minor === 0;
const isOpaque = ({ xattrs }: Inode): boolean => xattrs.some(([name]) => name === 'trusted.overlay.opaque');

/** What tells of an inode, but for how many names it has: overlayfs does not know those of several layers together. */
function facts(path: string, inode: Inode): string {
  const { mode, uid, gid, mtime, xattrs } = inode;
  const shown = xattrs
    .filter(([name]) => name !== 'trusted.overlay.opaque')
    .map(([name, value]) => [name, value.toString()]);
  const rest =
    inode.type === 'file'
      ? [inode.size, inode.payload?.digest.toString('hex')]
      : inode.type === 'symlink'
        ? [inode.target]
        : inode.type === 'block' || inode.type === 'character'
          ? [inode.major, inode.minor]
          : [];
  return JSON.stringify([path, inode.type, mode, uid, gid, mtime.seconds, shown, ...rest]);
}

interface In {
  readonly reader: TreeReader;
  readonly found: Found;
}

/** Lays directories over one another, the topmost first, as fs/overlayfs/namei.c and readdir.c of Linux do. */
async function overlaid(path: string, directories: readonly In[], to: string[]): Promise<void> {
  const [top] = directories;
  if (top !== undefined) to.push(facts(path, top.found.inode));
  const names = new Map<string, { in: In[]; ended: boolean }>();
  for (const { reader, found } of directories) {
    const listed: Listed[] = [];
    for (
      let some = await reader.list(found.number, 0);
      some.length > 0;
      some = await reader.list(found.number, listed.length)
    )
      listed.push(...some);
    for (const { name, ...one } of listed) {
      // A directory that is in one layer alone is read as it is.
      if (isWhiteout(one.inode) && directories.length === 1) throw new Error(`${path}/${name} is shown`);
      const known = names.get(name) ?? { in: [], ended: false };
      names.set(name, known);
      if (known.ended) continue;
      const isDirectory = one.inode.type === 'directory';
      known.ended = !isDirectory || isOpaque(one.inode);
      if (!isWhiteout(one.inode) && (isDirectory || known.in.length === 0))
        known.in.push({ reader, found: one });
    }
  }
  for (const [name, { in: found }] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [first] = found;
    if (first?.found.inode.type === 'directory') await overlaid(`${path}/${name}`, found, to);
    else if (first !== undefined) to.push(facts(`${path}/${name}`, first.found.inode));
  }
}

async function laidOver(own: readonly TreeReader[]): Promise<string[]> {
  const lines: string[] = [];
  const directories: In[] = [];
  for (const reader of own.toReversed()) {
    const found = await reader.inode(0);
    if (found !== undefined) directories.push({ reader, found });
  }
  await overlaid('', directories, lines);
  return lines.sort();
}

/** A whole tree in the same form. */
async function merged(reader: TreeReader): Promise<string[]> {
  const all = await walkTree(reader, 256);
  return all
    .filter(({ inode }) => !isWhiteout(inode))
    .map(({ path, inode }) => facts(path, inode))
    .sort();
}

test('what overlayfs makes of the trees of random layers is their merged tree', async (t) => {
  t.timeout(180_000);
  t.log(`seed ${SEED}, ${STACKS} stacks`);
  let compared = 0;
  for (const { layers, tree } of randomStacks(STACKS)) {
    if (tree === null) continue;
    try {
      const [own, whole] = await ownTrees(new Forest(2000), layers);
      t.deepEqual(await laidOver(own), await merged(whole));
      compared++;
    } catch (error) {
      if (!isCasError(error, 'LAYER_INVALID') || error.subject !== '/') throw error;
    }
  }
  t.true(compared > STACKS / 2, `${compared} compared`);
});

/** What a layer itself has on top of others, in short: `!` is a whiteout, `opaque` and the number of names stand behind. */
async function outline(below: TarEntry[], entries: TarEntry[]): Promise<string[]> {
  const forest = new Forest();
  const { root } = await forest.build(undefined, { entries: below });
  const own = await TreeReader.open(forest.cache, (await forest.buildOwn(root, { entries })).root);
  return (await walkTree(own)).slice(1).map(({ path, inode, nlink }) => {
    if (isWhiteout(inode)) return `!${path}`;
    if (inode.type === 'symlink') return `${path} -> ${inode.target}`;
    if (inode.type === 'directory')
      return `${path}/ ${inode.mode.toString(8)}${isOpaque(inode) ? ' opaque' : ''}`;
    return nlink === 1 ? path : `${path} ${nlink}`;
  });
}

const rules: Readonly<Record<string, readonly [TarEntry[], string[]]>> = {
  'a layer has its own names alone': [
    [file('new'), directory('d/')],
    ['/d/ 755', '/new'],
  ],
  'a whiteout is a device 0:0': [
    [file('d/.wh.a'), file('.wh.f')],
    ['/d/ 755', '!/d/a', '!/f'],
  ],
  'a whiteout of what the layers below lack is kept where it can be': [
    [file('d/.wh.x'), file('none/.wh.x')],
    ['/d/ 755', '!/d/x'],
  ],
  'a whiteout of what the layer has itself is none, unless that is a directory': [
    [file('.wh.f'), file('f'), file('.wh.d'), directory('d/')],
    ['/d/ 755 opaque', '/f'],
  ],
  'an opaque directory is marked': [
    [file('d/.wh..wh..opq'), file('d/x')],
    ['/d/ 755 opaque', '/d/x'],
  ],
  'a directory in place of a file need not hide anything': [[directory('f/')], ['/f/ 755']],
  'a directory that is not described has the attributes that it has below': [
    [file('secret/x'), file('other/x')],
    ['/other/ 755', '/other/x', '/secret/ 700', '/secret/x'],
  ],
  'names are where symlinks of the layers below lead': [[file('l/x')], ['/d/ 755', '/d/x']],
  'a hard link to a name below brings that name, too': [
    [link('d/new', 'f')],
    ['/d/ 755', '/d/new 2', '/f 2'],
  ],
};

for (const [title, [entries, expected]] of Object.entries(rules)) {
  test(title, async (t) => {
    t.deepEqual(await outline([...BASE, directory('secret/', { mode: 0o700 })], entries), expected);
  });
}

test('overlayfs cannot have an opaque root', async (t) => {
  await t.throwsAsync(outline(BASE, [file('.wh..wh..opq')]), { code: 'LAYER_INVALID' });
});
