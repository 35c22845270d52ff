import fs from 'node:fs';
import test from 'ava';
import { CasError } from '../../../store/errors.js';
import { WriterLock } from '../../../store/ingest/writer-lock.js';
import { parseRef } from '../../../store/ref.js';

const ref = parseRef('job/x');

test('whoever comes second is told who is there, and since when', (t) => {
  const lock = new WriterLock();
  lock.take(ref, process.pid);
  const since = lock.since?.toISOString() ?? '';
  const command = fs.readFileSync('/proc/self/comm', 'utf8').trimEnd();
  const error = t.throws(() => lock.take(ref, 1), { instanceOf: CasError });
  t.is(error.code, 'INGEST_BUSY');
  t.is(error.errno, 'EBUSY');
  t.true(error.message.startsWith('job/x: another writer holds the ingest'), error.message);
  t.true(error.message.endsWith(`${command} (pid ${process.pid}) since ${since}`), error.message);
});

for (const [who, thread, said] of [
  ['a process that has ended', 2 ** 30, /found a process that has ended \(pid 1073741824\) since/],
  ['one of another pid namespace', 0, /found a process that cannot be told since/],
  ['a caller that nobody has told of', undefined, /found a process that cannot be told since/],
] as const) {
  test(`${who} holds a lock as any other`, (t) => {
    const lock = new WriterLock();
    lock.take(ref, thread);
    t.throws(() => lock.take(ref), { message: said });
    lock.give();
    t.notThrows(() => lock.take(ref));
  });
}

test('there is a rate only while there is a writer', (t) => {
  const lock = new WriterLock();
  lock.wrote(1000);
  t.is(lock.rate, undefined);
  lock.take(ref);
  lock.wrote(1000);
  lock.give();
  t.is(lock.rate, undefined);
  t.is(lock.holder, undefined);
});
