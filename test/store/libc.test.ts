import fs from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { bind, systemError } from '../../store/libc.js';
import { renameNoReplace, unlink } from '../../store/files.js';
import { temporaryDirectory } from '../helpers/temporary.js';

test('a call that fails throws what node:fs would throw', (t) => {
  const unlink = bind('int unlink(const char*)');
  const error = t.throws<NodeJS.ErrnoException>(() => unlink('/nonexistent/file'));
  t.like(error, { code: 'ENOENT', errno: -2, syscall: 'unlink' });
});

test('a function that this process does not have is an error of the call, not of the binding', (t) => {
  const missing = bind('int no_such_function_anywhere(int)');
  t.throws(() => missing(1));
});

test('a system error names the call and its subject', (t) => {
  t.like(systemError('open', 13, '/x'), { code: 'EACCES', errno: -13, message: "EACCES: open '/x'" });
  t.is(systemError('ioctl', 4000).code, 'E4000');
});

test('calls on the thread pool each get their own error number', async (t) => {
  const directory = temporaryDirectory(t);
  const renameat2 = bind('int renameat2(int, const char*, int, const char*, unsigned int)');
  const [file, other, folder] = ['file', 'other', 'folder'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  fs.writeFileSync(file, '');
  fs.writeFileSync(other, '');
  fs.mkdirSync(folder);
  const cases = [
    [file, other, 1, 'EEXIST'],
    [join(directory, 'missing'), other, 0, 'ENOENT'],
    [file, folder, 0, 'EISDIR'],
    [file, other, 8, 'EINVAL'],
  ] as const;
  for (let round = 0; round < 20; round++) {
    const calls = Array.from({ length: 100 }, async (_, index) => {
      const [from, to, flags, code] = cases[(index * 7 + round) % cases.length] ?? cases[0];
      const found = await renameat2.later(-100, from, -100, to, flags).catch((error: unknown) => error);
      return found instanceof Error && 'code' in found && found.code === code;
    });
    t.true((await Promise.all(calls)).every(Boolean));
  }
});

test('small operations fail alike, alone or while others are under way', async (t) => {
  const directory = temporaryDirectory(t);
  const [file, other] = [join(directory, 'file'), join(directory, 'other')];
  fs.writeFileSync(file, '');
  fs.writeFileSync(other, '');
  for (const together of [1, 8]) {
    const results = await Promise.allSettled(
      Array.from({ length: together }, () => [
        unlink(`${file}-missing`),
        renameNoReplace(file, other),
      ]).flat(),
    );
    const codes = results.map(
      (result) => result.status === 'rejected' && (result.reason as NodeJS.ErrnoException).code,
    );
    t.deepEqual(new Set(codes), new Set(['ENOENT', 'EEXIST']));
  }
});
