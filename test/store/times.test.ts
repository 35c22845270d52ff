import fs from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { setPathTimes, setTimes } from '../../store/times.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const TIMES = [0n, 1n, -1n, -1_000_000_000n, -1_500_000_000n, 999_999_999n, 1_234_567_890_123_456_789n];

test('times are set to the nanosecond, before and after the epoch', (t) => {
  const path = join(temporaryDirectory(t), 'file');
  const fd = fs.openSync(path, 'w');
  t.teardown(() => fs.closeSync(fd));
  for (const time of TIMES) {
    setTimes(fd, time, time + 7n);
    const { atimeNs, mtimeNs } = fs.statSync(path, { bigint: true });
    t.deepEqual([atimeNs, mtimeNs], [time, time + 7n]);
  }
});

test('what is not given stays as it is, and now is the time of the kernel', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'file');
  fs.writeFileSync(path, '');
  setPathTimes(path, 5n, 6n);
  setPathTimes(path, undefined, 9n);
  t.is(fs.statSync(path, { bigint: true }).atimeNs, 5n);
  setPathTimes(path, 8n, undefined);
  t.is(fs.statSync(path, { bigint: true }).mtimeNs, 9n);
  fs.writeFileSync(join(directory, 'before'), '');
  setPathTimes(path, 'now', 'now');
  const { atimeNs, mtimeNs } = fs.statSync(path, { bigint: true });
  t.is(atimeNs, mtimeNs);
  t.true(mtimeNs >= fs.statSync(join(directory, 'before'), { bigint: true }).mtimeNs);
});

test('a symbolic link is not followed', (t) => {
  const directory = temporaryDirectory(t);
  const [path, link] = [join(directory, 'file'), join(directory, 'link')];
  fs.writeFileSync(path, '');
  fs.symlinkSync(path, link);
  const before = fs.statSync(path, { bigint: true }).mtimeNs;
  setPathTimes(link, 1n, 1n);
  t.is(fs.statSync(path, { bigint: true }).mtimeNs, before);
  t.is(fs.lstatSync(link, { bigint: true }).mtimeNs, 1n);
});

test('a file that is not there is reported as by the system', (t) => {
  t.throws(() => setPathTimes('/nonexistent/file', 1n, 1n), { code: 'ENOENT' });
});
