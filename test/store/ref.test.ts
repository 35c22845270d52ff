import test from 'ava';
import { nameIn, parentOf, parseRef, refWithin } from '../../store/ref.js';
import { errnoFrom } from '../helpers/errno.js';

test('a ref may hold every character but control characters, and slashes between its parts', async (t) => {
  for (let code = 1; code < 256; code++) {
    const name = `a${String.fromCodePoint(code)}b`;
    const expected = code < 0x20 || code === 0x7f ? 'EINVAL' : 'OK';
    t.is(await errnoFrom(() => parseRef(name)), expected, `code point ${code}`);
  }
  t.is(await errnoFrom(() => parseRef('a\0b')), 'EINVAL');
});

for (const ref of ['', '/', '//', 'a/', '/a/', 'a//b', '//a', '.', '..', 'a/..', '../a', 'a/./b', './a'])
  test(`no ref: ${JSON.stringify(ref)}`, async (t) => {
    t.is(await errnoFrom(() => parseRef(ref)), 'EINVAL');
  });

for (const ref of [
  'a',
  'a/b/c',
  '/a',
  '/blobs/sha256/.tmp',
  '...',
  '.a',
  'a.',
  'a b',
  '~',
  '1/default/layer-sha256:0',
])
  test(`a ref: ${ref}`, (t) => {
    t.is(parseRef(ref), ref as ReturnType<typeof parseRef>);
  });

test('a part has at most 255 bytes, which may be fewer characters', async (t) => {
  t.is(await errnoFrom(() => parseRef('x'.repeat(255))), 'OK');
  t.is(await errnoFrom(() => parseRef('x'.repeat(256))), 'ENAMETOOLONG');
  t.is(await errnoFrom(() => parseRef(`${'é'.repeat(127)}x`)), 'OK');
  t.is(await errnoFrom(() => parseRef('é'.repeat(128))), 'ENAMETOOLONG');
  t.is(await errnoFrom(() => parseRef(`a/${'📦'.repeat(63)}xyz/b`)), 'OK');
  t.is(await errnoFrom(() => parseRef(`a/${'📦'.repeat(64)}/b`)), 'ENAMETOOLONG');
});

test('the whole has at most 4095 bytes', async (t) => {
  const part = `${'x'.repeat(255)}/`;
  t.is(await errnoFrom(() => parseRef(part.repeat(15) + 'y'.repeat(255))), 'OK');
  t.is(await errnoFrom(() => parseRef(`/${part.repeat(15)}${'y'.repeat(255)}`)), 'ENAMETOOLONG');
});

test('half a surrogate pair is refused: it would be written down as another ref', async (t) => {
  for (const ref of ['\ud800', 'a\udfffb', 'a/\udc00\ud800'])
    t.is(await errnoFrom(() => parseRef(ref)), 'EILSEQ');
  t.is(await errnoFrom(() => parseRef('\u{1f4e6}\ufffd')), 'OK');
});

test('a ref is made of a directory and a name, and taken apart again', async (t) => {
  for (const [parent, name, ref] of [
    ['', 'x', 'x'],
    ['a/b', 'x', 'a/b/x'],
    ['/', 'x', '/x'],
    ['/blobs/sha256', 'x', '/blobs/sha256/x'],
  ] as const) {
    const made = refWithin(parent, name);
    t.deepEqual([made as string, parentOf(made), nameIn(made)], [ref, parent, name]);
  }
  for (const name of ['', '.', '..', 'a/b', 'a\nb'])
    t.is(await errnoFrom(() => refWithin('a', name)), 'EINVAL', name);
});
