import { setImmediate } from 'node:timers/promises';
import { errnoFrom } from '../helpers/errno.js';
import type { Rules } from './suite.js';
import type { Subject } from './subject.js';

const MIB = 1 << 20;

/** How an ingest is written, and what can be seen of it meanwhile. */
export const writingRules: Rules<Subject> = {
  'five refs are written side by side, whatever is declared of them': async ({ t, subject, ...check }) => {
    const contents = [640, 640, 640, 640, 32 * MIB].map((size) => check.bytes(size));
    const digests = await check.digests(contents);
    const refs = contents.map(() => check.ref());
    const writers = await Promise.all(refs.map((ref) => subject.write(ref)));
    await subject.declare(refs[1] ?? '', { total: 640 });
    await subject.declare(refs[2] ?? '', { expected: digests[2] });
    await subject.declare(refs[3] ?? '', { total: 640, expected: digests[3] });
    await Promise.all(
      writers.map(async (writer, index) => {
        const content = contents[index] ?? Buffer.alloc(0);
        const piece = content.length > 640 ? MIB : 32;
        for (let at = 0; at < content.length; at += piece) {
          await writer.write(content.subarray(at, at + piece), at);
          await setImmediate();
        }
        await writer.close();
      }),
    );
    for (const [index, digest] of digests.entries()) {
      await subject.commit(refs[index] ?? '', digest);
      t.is((await subject.blob(digest)).size, contents[index]?.length ?? 0);
      check.same(await subject.readBlob(digest), contents[index]);
    }
  },

  'status follows the writer: size, and the digest of what was written': async ({ t, subject, ...check }) => {
    const content = check.bytes(256);
    const ends = [0, 64, 192, 256];
    const digests = await check.digests(ends.map((end) => content.subarray(0, end)));
    const ref = check.ref();
    const before = Date.now();
    const writer = await subject.write(ref);
    await subject.declare(ref, { total: 256 });
    let written = 0;
    for (const [index, end] of ends.entries()) {
      await writer.write(content.subarray(written, end), written);
      written = end;
      const status = await subject.status(ref);
      t.like(status, { size: end, offset: end, total: 256, digest: digests[index] });
      const [started, updated] = [Date.parse(status.startedAt), Date.parse(status.updatedAt)];
      t.true(before <= started && started <= updated && updated <= Date.now(), JSON.stringify(status));
    }
    await writer.close();
  },

  'a second writer is refused at once, and let in when the first has closed': async ({
    t,
    subject,
    ...check
  }) => {
    const ref = check.ref();
    const writer = await subject.write(ref);
    t.is(await errnoFrom(() => subject.write(ref)), 'EBUSY');
    t.is(await errnoFrom(() => subject.write(ref, 'truncate')), 'EBUSY');
    await writer.close();
    await (await subject.write(ref)).close();
    t.pass();
  },

  'readers see the bytes so far while a writer is at work': async ({ subject, ...check }) => {
    const content = check.bytes(100_000);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(content.subarray(0, 70_000), 0);
    check.same(await subject.readIngest(ref), content.subarray(0, 70_000));
    await writer.write(content.subarray(70_000), 70_000);
    check.same(await subject.readIngest(ref), content);
    await writer.close();
  },

  'bytes may be written in any order': async ({ t, subject, ...check }) => {
    const content = check.bytes(300_000);
    const ref = check.ref();
    const writer = await subject.write(ref);
    for (const start of [200_000, 0, 100_000]) {
      await writer.write(content.subarray(start, start + 100_000), start);
    }
    await writer.close();
    await subject.commit(ref, await check.digest(content));
    t.pass();
  },

  'what was never written reads as zeros and is hashed as such': async ({ subject, ...check }) => {
    const tail = check.bytes(1000);
    const content = Buffer.concat([Buffer.alloc(5_000_000), tail]);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(tail, 5_000_000);
    await writer.close();
    const digest = await check.digest(content);
    await subject.commit(ref, digest);
    check.same(await subject.readBlob(digest), content);
  },

  'bytes that were hashed may be written again': async ({ subject, ...check }) => {
    const content = check.bytes(200_000);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(check.bytes(200_000), 0);
    await writer.write(content.subarray(150_000), 150_000);
    await writer.write(content.subarray(0, 150_000), 0);
    await writer.close();
    const digest = await check.digest(content);
    await subject.commit(ref, digest);
    check.same(await subject.readBlob(digest), content);
  },

  'a file that was cut and extended is hashed as it stands': async ({ t, subject, ...check }) => {
    const content = check.bytes(50_000);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(content, 0);
    await writer.truncate(20_000);
    t.is((await subject.status(ref)).size, 20_000);
    await writer.truncate(60_000);
    t.is((await subject.status(ref)).size, 60_000);
    await writer.append(content.subarray(0, 10));
    await writer.close();
    const expected = Buffer.alloc(60_010);
    content.copy(expected, 0, 0, 20_000);
    content.copy(expected, 60_000, 0, 10);
    check.same(await subject.readIngest(ref), expected);
    await subject.commit(ref, await check.digest(expected));
  },

  'an aborted ingest is gone, and its writer with it': async ({ t, subject, ...check }) => {
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(check.bytes(1000), 0);
    await subject.abort(ref);
    t.is(await errnoFrom(() => writer.write(check.bytes(10), 1000)), 'EBADF');
    t.false((await subject.list()).includes(ref));
    t.is(await errnoFrom(() => subject.status(ref)), 'ENOENT');
    t.is(await errnoFrom(() => subject.abort(ref)), 'ENOENT');
    await writer.close();
    const again = await subject.write(ref);
    t.is((await subject.status(ref)).size, 0);
    await again.close();
  },

  'an ingest that moves to another ref keeps its bytes and its digest so far': async ({
    t,
    subject,
    ...check
  }) => {
    const content = check.bytes(3000);
    const [ref, to] = [check.ref(), check.ref()];
    const writer = await subject.write(ref);
    await writer.write(content.subarray(0, 2000), 0);
    const before = await subject.status(ref);
    await subject.move(ref, to);
    t.deepEqual(await subject.status(to), before);
    t.is(await errnoFrom(() => subject.status(ref)), 'ENOENT');
    await writer.write(content.subarray(2000), 2000);
    await writer.close();
    await subject.commit(to, await check.digest(content));
  },

  'an ingest that moves replaces what stands there, unless that has a writer': async ({
    t,
    subject,
    ...check
  }) => {
    const [ref, to] = [check.ref(), check.ref()];
    const [content, other] = [check.bytes(100), check.bytes(200)];
    const writer = await subject.write(to);
    await writer.write(other, 0);
    const moved = await subject.write(ref);
    await moved.write(content, 0);
    await moved.close();
    t.is(await errnoFrom(() => subject.move(ref, to)), 'EBUSY');
    check.same(await subject.readIngest(to), other);
    await writer.close();
    await subject.move(ref, to);
    check.same(await subject.readIngest(to), content);
    t.false((await subject.list()).includes(ref));
  },
};
