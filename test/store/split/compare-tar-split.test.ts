import { Readable } from 'node:stream';
import test from 'ava';
import { compareTarSplit } from '../../../store/split/compare-tar-split.js';

/** Lines of a tar-split.json: texts are segments, numbers are files of that size. */
function lines(...items: readonly (string | number)[]): AsyncIterable<string> {
  const text = items.map((item, position) => {
    if (typeof item === 'number')
      return `{"type":1,"name":"f","size":${item},"payload":"YUw+7uLYEAA=","position":${position}}`;
    return `{"type":2,"payload":"${Buffer.from(item).toString('base64')}","position":${position}}`;
  });
  return Readable.from(text);
}

for (const [what, given] of [
  ['the same', ['abc', 5, 'defgh', '']],
  ['cut elsewhere', ['a', 'bc', 5, 'de', '', 'fgh']],
  ['joined', ['abc', 5, 'defgh']],
] as const) {
  test(`a tar-split of the same tar: ${what}`, async (t) => {
    await t.notThrowsAsync(compareTarSplit(lines(...given), lines('abc', 5, 'de', 'fgh', '')));
  });
}

for (const [what, given, expected, found] of [
  ['bytes that differ', ['abX', 5, 'defgh'], 'its bytes of headers or padding', 'others'],
  ['bytes that are missing', ['abc', 5, 'defg'], 'the end', 'bytes of headers or padding'],
  ['more bytes', ['abc', 5, 'defghi'], 'bytes of headers or padding', 'the end'],
  ['a file too early', ['ab', 5, 'defgh'], /^"f" \(5 bytes/, 'bytes of headers or padding'],
  ['no file', ['abcdefgh'], 'bytes of headers or padding', /^"f" \(5 bytes, CRC-64 614c3eeee2d81000\)$/],
  ['another size', ['abc', 6, 'defgh'], /^"f" \(6 bytes/, /^"f" \(5 bytes/],
  ['nothing', [], 'the end', 'bytes of headers or padding'],
] as const) {
  test(`a tar-split of another tar: ${what}`, async (t) => {
    const error = await t.throwsAsync(compareTarSplit(lines(...given), lines('abc', 5, 'defgh', '')), {
      code: 'TAR_SPLIT_MISMATCH',
    });
    const told = error as unknown as { expected: string; found: string };
    if (typeof expected === 'string') t.is(told.expected, expected);
    else t.regex(told.expected, expected);
    if (typeof found === 'string') t.is(told.found, found);
    else t.regex(told.found, found);
  });
}
