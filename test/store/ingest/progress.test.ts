import fs from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Digest } from '../../../store/digest.js';
import { Progress } from '../../../store/ingest/progress.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes, digestOfFile } from '../../helpers/digests.js';
import { temporaryDirectory } from '../../helpers/temporary.js';

interface Followed {
  readonly path: string;
  readonly fd: number;
  readonly progress: Progress;
  /** Tells of a write and makes it, all at once. */
  write(data: Uint8Array, offset: number): void;
}

function follow(t: ExecutionContext): Followed {
  const path = join(temporaryDirectory(t), 'data');
  const fd = fs.openSync(path, 'w+');
  t.teardown(() => fs.closeSync(fd));
  const progress = new Progress('sha256', 0);
  return {
    path,
    fd,
    progress,
    write: (data, offset) => {
      void progress.writing(data, offset);
      fs.writeSync(fd, data, 0, data.length, offset);
      progress.wrote(fd, offset, data.length, data.length);
    },
  };
}

async function finished({ progress, fd }: Followed): Promise<string> {
  return progress.finish(fd, fs.fstatSync(fd).size, 'sha256');
}

test('what is written front to back is hashed as it comes', async (t) => {
  const followed = follow(t);
  const content = seededBytes(5000);
  followed.write(content.subarray(0, 1000), 0);
  t.is(await followed.progress.digest(), await digestOfBytes(content.subarray(0, 1000)));
  t.is(followed.progress.length, 1000);
  followed.write(content.subarray(1000), 1000);
  t.is(await finished(followed), await digestOfBytes(content));
});

test('writes of any size are hashed in their order, whatever is hashed together', async (t) => {
  const followed = follow(t);
  const content = seededBytes(3_000_000);
  const sizes = [1, 32 << 10, 16 << 10, 200_000, 4096, 128 << 10, (128 << 10) + 1, 70_000];
  let [offset, checked] = [0, 0];
  for (let turn = 0; offset < content.length; turn++) {
    const data = Buffer.from(content.subarray(offset, offset + (sizes[turn % sizes.length] ?? 1)));
    followed.write(data, offset);
    offset += data.length;
    // Of these sizes copies are hashed: the writer may change what it has written.
    if (data.length > 16 << 10 && data.length <= 128 << 10) data.fill(0);
    if (turn % 11 === 10) {
      t.is(await followed.progress.digest(), await digestOfBytes(content.subarray(0, offset)));
      checked++;
    }
  }
  t.is(await finished(followed), await digestOfBytes(content));
  t.true(checked > 2);
});

test('what was written ahead is read back when the gap before it closes', async (t) => {
  const followed = follow(t);
  const content = seededBytes(3_000_000);
  followed.write(content.subarray(1_000_000), 1_000_000);
  t.is(followed.progress.length, 0);
  followed.write(content.subarray(0, 1_000_000), 0);
  t.is(await followed.progress.digest(), await digestOfBytes(content));
  t.is(followed.progress.length, 3_000_000);
});

test('bytes that are being rewritten are not read back before they are written', async (t) => {
  const followed = follow(t);
  const { fd, progress } = followed;
  const [old, update] = [seededBytes(3000, 1), seededBytes(1000, 2)];
  followed.write(old, 1000);
  void progress.writing(update, 2000);
  followed.write(seededBytes(1000, 3), 0);
  await progress.settled();
  fs.writeSync(fd, update, 0, 1000, 2000);
  progress.wrote(fd, 2000, 1000, 1000);
  t.is(await finished(followed), await digestOfFile(followed.path));
});

test('bytes that were hashed while they were written are hashed again when a write before them is made', async (t) => {
  const followed = follow(t);
  const { fd, progress } = followed;
  followed.write(seededBytes(4000, 1), 0);
  const update = seededBytes(1000, 2);
  void progress.writing(update, 4000);
  followed.write(seededBytes(10, 3), 100);
  fs.writeSync(fd, update, 0, 1000, 4000);
  progress.wrote(fd, 4000, 1000, 1000);
  progress.sessionEnded(fd);
  t.is(await progress.digest(), await digestOfFile(followed.path));
});

test('a write that takes fewer bytes than it was given counts for those alone', async (t) => {
  const followed = follow(t);
  const { fd, progress } = followed;
  const content = seededBytes(2000);
  for (const taken of [700, 0]) {
    const at = fs.fstatSync(fd).size;
    void progress.writing(content.subarray(at), at);
    fs.writeSync(fd, content, at, taken, at);
    progress.wrote(fd, at, content.length - at, taken);
  }
  t.is(await finished(followed), await digestOfBytes(content.subarray(0, 700)));
});

test('a cut below what is hashed begins anew, one above it does not', async (t) => {
  const followed = follow(t);
  const { fd, progress } = followed;
  followed.write(seededBytes(3000), 0);
  await progress.settled();
  progress.cut(5000);
  fs.ftruncateSync(fd, 5000);
  t.is(progress.length, 3000);
  progress.cut(1000);
  fs.ftruncateSync(fd, 1000);
  t.is(progress.length, 0);
  t.is(await finished(followed), await digestOfFile(followed.path));
});

test('another algorithm is hashed from the file, and the own one goes on', async (t) => {
  const followed = follow(t);
  const content = seededBytes(100_000);
  followed.write(content, 0);
  t.is(
    await followed.progress.finish(followed.fd, 100_000, 'sha512'),
    await digestOfBytes(content, 'sha512'),
  );
  t.is(await finished(followed), await digestOfBytes(content));
});

test('the digest can be asked for at any time without disturbing what is under way', async (t) => {
  const followed = follow(t);
  const content = seededBytes(4_000_000);
  const digests: Promise<Digest>[] = [];
  const ends = [0, 10, 500_000, 500_100, 3_000_000, 4_000_000];
  for (const [index, end] of ends.entries()) {
    const start = ends[index - 1] ?? 0;
    // Asked before, while and after the next piece is hashed on the thread pool.
    digests.push(followed.progress.digest());
    followed.write(content.subarray(start, end), start);
    digests.push(followed.progress.digest());
    if (index % 2 === 0) await setImmediate();
  }
  const expected = await Promise.all(ends.map((end) => digestOfBytes(content.subarray(0, end))));
  t.deepEqual(
    await Promise.all(digests),
    expected.flatMap((digest, index) => [expected[Math.max(0, index - 1)] ?? digest, digest]),
  );
  t.true(expected.at(-1) === (await finished(followed)));
});

test('a file shorter than it should be is an error, not a digest, and does no lasting harm', async (t) => {
  const followed = follow(t);
  const content = seededBytes(1000);
  followed.write(content, 0);
  await t.throwsAsync(followed.progress.finish(followed.fd, 2000, 'sha256'));
  t.is(await finished(followed), await digestOfBytes(content));
});

test('a size below what was hashed is an error, not the digest of more than the file', async (t) => {
  const followed = follow(t);
  followed.write(seededBytes(1000), 0);
  await t.throwsAsync(followed.progress.finish(followed.fd, 500, 'sha256'));
  t.is(
    await followed.progress.finish(followed.fd, 500, 'sha256'),
    await digestOfBytes(seededBytes(1000).subarray(0, 500)),
  );
});
