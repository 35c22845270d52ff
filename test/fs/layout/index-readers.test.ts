import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { IndexReaders } from '../../../fs/layout/index-readers.js';
import type { IndexSnapshot } from '../../../store/images/image-index.js';
import { EMPTY_INDEX } from '../../../store/images/index-json.js';
import { processKey } from '../../../store/process.js';

function snapshot(version: number): IndexSnapshot {
  return { bytes: Buffer.alloc(0), index: EMPTY_INDEX, writtenAt: new Date(0), version };
}

const versions = (known: readonly IndexSnapshot[]): number[] => known.map(({ version }) => version);

function sleeper(): ChildProcess {
  return spawn('sleep', ['60'], { stdio: 'ignore' });
}

test('of a process that goes on reading, the first version that it knows and the last ones are kept', (t) => {
  const readers = new IndexReaders();
  const key = processKey(process.pid);
  for (let version = 1; version <= 20; version++) readers.read(key, snapshot(version));
  t.deepEqual(versions(readers.knownTo(key)), [1, 14, 15, 16, 17, 18, 19, 20]);
  readers.wrote(key, snapshot(-1));
  t.deepEqual(versions(readers.knownTo(key)), [-1]);
});

test('processes that have ended are forgotten, and those that have not are not', async (t) => {
  const readers = new IndexReaders();
  const own = processKey(process.pid);
  readers.read(own, snapshot(1));
  const children = Array.from({ length: 20 }, sleeper);
  const keys = children.map(({ pid = 0 }) => processKey(pid));
  for (const [index, key] of keys.entries()) {
    readers.read(key, snapshot(2));
    if (index === 9) {
      const ended = children.slice(0, 10).map((child) => once(child, 'close'));
      for (const child of children.slice(0, 10)) child.kill('SIGKILL');
      await Promise.all(ended);
    }
  }
  t.is(keys.filter((key) => readers.knownTo(key).length > 0).length, 10);
  t.deepEqual(versions(readers.knownTo(own)), [1]);
  for (const child of children) child.kill('SIGKILL');
});

test('who has read nothing is not known by what it writes, and who cannot be told not at all', (t) => {
  const readers = new IndexReaders();
  const key = processKey(process.pid);
  readers.wrote(key, snapshot(-1));
  t.deepEqual(readers.knownTo(key), []);
  readers.read(processKey(0), snapshot(1));
  t.deepEqual(readers.knownTo(processKey(0)), []);
});
