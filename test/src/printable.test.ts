import test from 'ava';
import { printable } from '../../src/printable.js';

for (const [what, text, expected] of [
  ['plain text', 'layer.tar', 'layer.tar'],
  ['letters of any script', 'größe-大小-🐋', 'größe-大小-🐋'],
  ['a newline', 'a\nb', 'a\\nb'],
  ['an escape sequence', '\u001b[2J', '\\x1b[2J'],
  ['a C1 control character', '\u009b31m', '\\x9b31m'],
  ['NUL and DEL', '\0\u007f', '\\x00\\x7f'],
  ['a right-to-left override', 'gpj\u202eexe', 'gpj\\u{202e}exe'],
  ['an isolate and a zero-width joiner', '\u2067\u200d', '\\u{2067}\\u{200d}'],
  ['a line separator', '\u2028', '\\u{2028}'],
  ['half a surrogate pair', '\ud83d', '\\u{d83d}'],
  ['a backslash, so that an escape cannot be forged', '\\n', '\\\\n'],
] as const) {
  test(`${what} is shown so that it can do no harm`, (t) => {
    t.is(printable(text), expected);
  });
}

test('a long name keeps its start and its end within the limit', (t) => {
  const shown = printable(`start${'x'.repeat(5000)}end`);
  t.true(shown.length <= 256);
  t.regex(shown, /^startx+…x+end$/);
});

test('a name of nothing but newlines stays within the limit, with no escape cut in two', (t) => {
  const shown = printable('\n'.repeat(255));
  t.true(shown.length <= 256);
  t.regex(shown, /^(\\n)+…(\\n)+$/);
});
