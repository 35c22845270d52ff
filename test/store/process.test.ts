import fs from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import test from 'ava';
import { processOf } from '../../store/process.js';
import { temporaryDirectory } from '../helpers/temporary.js';

test('a process is told by its pid and what it is called', async (t) => {
  const child = spawn('sleep', ['60']);
  t.teardown(() => child.kill());
  await new Promise((resolve) => child.once('spawn', resolve));
  t.deepEqual(processOf(child.pid ?? 0), { pid: child.pid ?? 0, command: 'sleep' });
});

test('a thread is told as the process it belongs to', (t) => {
  const threads = fs.readdirSync('/proc/self/task').map(Number);
  const command = fs.readFileSync('/proc/self/comm', 'utf8').trimEnd();
  t.true(threads.length > 1);
  for (const thread of threads) t.deepEqual(processOf(thread), { pid: process.pid, command });
});

test('a process that is gone has only its number', (t) => {
  t.deepEqual(processOf(2 ** 30), { pid: 2 ** 30, command: undefined });
});

test('what a process calls itself cannot disturb a terminal', (t) => {
  const proc = temporaryDirectory(t);
  fs.mkdirSync(join(proc, '7'));
  fs.writeFileSync(join(proc, '7', 'status'), 'Name:\tx\nTgid:\t7\n');
  const name = (comm: string): string | undefined => {
    fs.writeFileSync(join(proc, '7', 'comm'), comm);
    return processOf(7, proc).command;
  };
  t.is(name('a\u001b[2J\nb\u202e\u009b\n'), 'a\ufffd[2J\ufffdb\ufffd\ufffd');
  t.is(name('two words\n'), 'two words');
  t.is(name('\n'), undefined);
  t.is(name(`${'x'.repeat(1000)}\n`)?.length, 64);
});
