import test from 'ava';
import { readTarName } from '../../../store/tree/tar-name.js';

const path = (...components: string[]) => ({ kind: 'path', components });
const whiteout = (...components: string[]) => ({ kind: 'whiteout', components });
const opaque = (...components: string[]) => ({ kind: 'opaque', components });
const hidden = { kind: 'hidden' };

const READ: Record<string, object> = {
  a: path('a'),
  'a/b/': path('a', 'b'),
  '/a': path('a'),
  './a': path('a'),
  './': path(),
  '/': path(),
  '.': path(),
  '//a/.//./b': path('a', 'b'),
  'a/../b': path('b'),
  'a/b/../../c': path('c'),
  'a/..': path(),
  '...': path('...'),
  'a.wh.b': path('a.wh.b'),
  '.whx': path('.whx'),
  '.wh.a': whiteout('a'),
  './a/.wh.b/': whiteout('a', 'b'),
  'a/.wh..b': whiteout('a', '.b'),
  '.wh.....': whiteout('....'),
  '.wh..wh..opq': opaque(),
  'a/b/.wh..wh..opq': opaque('a', 'b'),
  '.wh.a/b': hidden,
  'x/.wh.a/.wh.b': hidden,
  '.wh..wh..opq/x': hidden,
  'x/.wh.a/../y': path('x', 'y'),
  '.wh..wh.plnk': hidden,
  '.wh..wh.aufs': hidden,
  '.wh..wh.orph/x': hidden,
  '.wh..wh.plnk/1.2': { kind: 'pseudo-link', components: ['.wh..wh.plnk', '1.2'] },
};

for (const [name, expected] of Object.entries(READ)) {
  test(`${name} is read`, (t) => t.deepEqual(readTarName(name), expected));
}

for (const name of [
  '..',
  '../a',
  'a/../../b',
  '/..',
  '.wh.',
  '.wh..',
  '.wh...',
  'a/.wh.',
  'a\0b',
  'a/.wh.../',
]) {
  test(`${JSON.stringify(name)} is no name`, (t) => {
    t.throws(() => readTarName(name), { code: 'LAYER_INVALID' });
  });
}

test('a component has at most 255 bytes', (t) => {
  const longest = 'x'.repeat(255);
  t.deepEqual(readTarName(`a/${longest}`), path('a', longest));
  const error = t.throws(() => readTarName(`a/${longest}x/b`), { code: 'LAYER_INVALID' });
  t.is((error as { errno?: string }).errno, 'ENAMETOOLONG');
});

test('a path has at most 4096 bytes', (t) => {
  t.is(readTarName('a/'.repeat(2048)).kind, 'path');
  t.throws(() => readTarName('a/'.repeat(2049)), { code: 'LAYER_TOO_LARGE' });
});
