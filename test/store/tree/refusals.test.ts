import test from 'ava';
import type { TarEntry } from '../../../store/tar/entry.js';
import { TreeBuilder } from '../../../store/tree/builder.js';
import { LAYER_LIMITS } from '../../../store/tree/layer-limits.js';
import { NodeCache } from '../../../store/tree/node-cache.js';
import { BASE, directory, file, link, MemorySource, merged, symlink } from './trees.js';

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
