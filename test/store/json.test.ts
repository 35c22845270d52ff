import test from 'ava';
import { safeJson } from '../../store/json.js';

const hostile = { 'a\u202e': 'b\n\u001b[2J\u009b\u2028\u{e0001}é', list: [1, null, 'ok'] };

test('JSON holds nothing that disturbs a terminal, and reads back as the same', (t) => {
  const text = safeJson(hostile);
  t.notRegex(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  t.regex(text, /é/);
  t.deepEqual(JSON.parse(text), hostile);
});

test('JSON over several lines has line breaks, and nothing else of that kind', (t) => {
  const text = safeJson(hostile, 2);
  t.is(text.split('\n').length, 8);
  t.notRegex(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  t.deepEqual(JSON.parse(text), hostile);
});
