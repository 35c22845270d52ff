import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { isSole, tellsWriters } from '../../store/lease.js';
import { temporaryDirectory } from '../helpers/temporary.js';

test('a file is sole once no process has it open for writing', async (t) => {
  const path = join(temporaryDirectory(t), 'file');
  fs.writeFileSync(path, 'bytes');
  const reader = fs.openSync(path, 'r');
  t.teardown(() => fs.closeSync(reader));
  t.true(isSole(reader));
  const writer = fs.openSync(path, 'a');
  t.false(isSole(reader));
  // A process that has inherited the descriptor, and nothing else.
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'inherit', writer] });
  fs.closeSync(writer);
  t.false(isSole(reader));
  const closed = once(child, 'close');
  child.stdin?.end();
  await closed;
  t.true(isSole(reader));
  const other = fs.openSync(path, 'r');
  t.true(isSole(reader));
  fs.closeSync(other);
});

test('what cannot be asked is not proven', (t) => {
  const directory = temporaryDirectory(t);
  const fd = fs.openSync(directory, 'r');
  fs.closeSync(fd);
  t.false(isSole(fd));
  t.false(tellsWriters(join(directory, 'nothing')));
});

test('a file that nobody writes shows whether its file system tells', (t) => {
  const path = join(temporaryDirectory(t), 'file');
  fs.writeFileSync(path, 'bytes');
  t.true(tellsWriters(path));
  const writer = fs.openSync(path, 'a');
  t.false(tellsWriters(path));
  fs.closeSync(writer);
});
