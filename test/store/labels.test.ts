import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { getLabel, listLabels, removeLabel, setLabel } from '../../store/labels.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const [XATTR_CREATE, XATTR_REPLACE] = [1, 2];

function blob(t: ExecutionContext): string {
  const path = join(temporaryDirectory(t), 'blob');
  fs.writeFileSync(path, 'content', { mode: 0o444 });
  return path;
}

function text(value: Uint8Array | undefined): string | undefined {
  return value && Buffer.from(value).toString();
}

test('a label is an extended attribute of the file, as getfattr shows it', async (t) => {
  const path = blob(t);
  await setLabel(path, 'containerd.io/gc.root', Buffer.from('now'), 0);
  const shown = execFileSync('getfattr', ['--absolute-names', '-d', path], { encoding: 'utf8' });
  t.true(shown.includes('user.cas.label.containerd.io/gc.root="now"'), shown);
  execFileSync('setfattr', ['-n', 'user.cas.label.other', '-v', 'there', path]);
  execFileSync('setfattr', ['-n', 'user.foreign', '-v', 'x', path]);
  t.is(text(getLabel(path, 'other')), 'there');
  t.deepEqual(listLabels(path).sort(), ['containerd.io/gc.root', 'other']);
});

test('a label that is not there has no value, and cannot be removed', async (t) => {
  const path = blob(t);
  t.is(getLabel(path, 'none'), undefined);
  t.deepEqual(listLabels(path), []);
  await t.throwsAsync(removeLabel(path, 'none'), { code: 'ENODATA' });
  t.throws(() => getLabel(`${path}-missing`, 'none'), { code: 'ENOENT' });
  await t.throwsAsync(setLabel(`${path}-missing`, 'none', Buffer.from('x'), 0), { code: 'ENOENT' });
});

test('values may be empty, or any bytes', async (t) => {
  const path = blob(t);
  const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  await setLabel(path, 'bytes', value, 0);
  await setLabel(path, 'empty', Buffer.alloc(0), 0);
  t.deepEqual(getLabel(path, 'bytes'), value);
  t.is(getLabel(path, 'empty')?.length, 0);
});

test('setting can be asked to make, or to replace', async (t) => {
  const path = blob(t);
  await t.throwsAsync(setLabel(path, 'k', Buffer.from('a'), XATTR_REPLACE), { code: 'ENODATA' });
  await setLabel(path, 'k', Buffer.from('a'), XATTR_CREATE);
  await t.throwsAsync(setLabel(path, 'k', Buffer.from('b'), XATTR_CREATE), { code: 'EEXIST' });
  await setLabel(path, 'k', Buffer.from('b'), XATTR_REPLACE);
  t.is(text(getLabel(path, 'k')), 'b');
});

test('a label set in many calls at once ends as one of them', async (t) => {
  const path = blob(t);
  await Promise.all(
    Array.from({ length: 50 }, (_, index) => setLabel(path, 'k', Buffer.from(`v${index}`), 0)),
  );
  t.regex(text(getLabel(path, 'k')) ?? '', /^v\d+$/);
});
