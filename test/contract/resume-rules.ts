import { errnoFrom } from '../helpers/errno.js';
import type { Case, Rules } from './suite.js';
import type { Subject, Writer } from './subject.js';

const SIZES = [500, 5000, 50_000];
const PERCENT = [0, 10, 50, 90, 100];

/** Writes the part that a first attempt got through, and hands the ingest, open again, to `resume`. */
async function resumeAll(
  { t, subject, ...check }: Case<Subject>,
  resume: (writer: Writer, content: Buffer, done: number) => Promise<void>,
): Promise<void> {
  const cases = SIZES.flatMap((size) => PERCENT.map((percent) => ({ size, percent })));
  const contents = cases.map(({ size }) => check.bytes(size));
  const digests = await check.digests(contents);
  for (const [index, { size, percent }] of cases.entries()) {
    const [content = Buffer.alloc(0), digest = ''] = [contents[index], digests[index]];
    const done = Math.floor((size * percent) / 100);
    const ref = check.ref();
    const first = await subject.write(ref);
    await first.write(content.subarray(0, done), 0);
    await first.close();
    const second = await subject.write(ref);
    t.like(await subject.status(ref), { size: done, offset: done }, `${percent} % of ${size}`);
    await resume(second, content, done);
    await second.close();
    await subject.commit(ref, digest);
    t.is((await subject.blob(digest)).size, size);
  }
}

/** How an ingest goes on after its writer closed it, or after a restart. */
export const resumeRules: Rules<Subject> = {
  'a reopened ingest has the status it was closed with, and goes on from there': async ({
    t,
    subject,
    ...check
  }) => {
    const content = check.bytes(256);
    const ref = check.ref();
    const first = await subject.write(ref);
    await first.write(content.subarray(0, 128), 0);
    const before = await subject.status(ref);
    await first.close();
    const second = await subject.write(ref);
    t.deepEqual(await subject.status(ref), before);
    t.is(before.digest, await check.digest(content.subarray(0, 128)));
    await second.write(content.subarray(128), 128);
    const digest = await check.digest(content);
    await subject.commit(ref, digest);
    await second.close();
    check.same(await subject.readBlob(digest), content);
  },

  'a transfer is resumed by appending the rest': (check) =>
    resumeAll(check, (writer, content, done) => writer.append(content.subarray(done))),

  'a transfer is resumed by writing the rest at its place': (check) =>
    resumeAll(check, (writer, content, done) => writer.write(content.subarray(done), done)),

  'a transfer is resumed by writing all of it again over what is there': (check) =>
    resumeAll(check, (writer, content) => writer.write(content, 0)),

  'a transfer is begun anew by cutting what is there to nothing': (check) =>
    resumeAll(check, async (writer, content) => {
      await writer.truncate(0);
      await writer.write(content, 0);
    }),

  'an ingest can be opened emptied': async ({ t, subject, ...check }) => {
    const content = check.bytes(2000);
    const ref = check.ref();
    const first = await subject.write(ref);
    await first.write(check.bytes(5000), 0);
    await first.close();
    const second = await subject.write(ref, 'truncate');
    t.like(await subject.status(ref), { size: 0, offset: 0, digest: await check.digest(Buffer.alloc(0)) });
    await second.write(content, 0);
    await second.close();
    await subject.commit(ref, await check.digest(content));
  },

  'an ingest outlives a restart with its times, its size and what was declared': async ({
    t,
    subject,
    ...check
  }) => {
    const content = check.bytes(70_000);
    const digest = await check.digest(content);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await subject.declare(ref, { total: 70_000, expected: digest });
    await writer.write(content.subarray(0, 40_000), 0);
    await writer.close();
    const { size, startedAt, updatedAt, total, expected } = await subject.status(ref);
    await subject.restart();
    t.like(await subject.status(ref), { size, startedAt, updatedAt, total, expected });
    t.deepEqual([size, total, expected], [40_000, 70_000, digest]);
    const again = await subject.write(ref);
    await again.append(content.subarray(40_000));
    await again.close();
    await subject.commit(ref, digest);
    check.same(await subject.readBlob(digest), content);
  },

  'an ingest that was whole before a restart can be committed after it': async ({ t, subject, ...check }) => {
    const content = check.bytes(70_000);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(content, 0);
    await writer.close();
    await subject.restart();
    t.is(await errnoFrom(async () => subject.commit(ref, await check.digest(check.bytes(10)))), 'EBADMSG');
    await subject.commit(ref, await check.digest(content));
    await subject.restart();
    t.false((await subject.list()).includes(ref));
    check.same(await subject.readBlob(await check.digest(content)), content);
  },

  'the digest shown is always that of the first bytes shown, also after a restart': async ({
    t,
    subject,
    ...check
  }) => {
    const content = check.bytes(10_000);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(content, 0);
    await writer.close();
    await subject.restart();
    const { offset, digest } = await subject.status(ref);
    t.is(digest, await check.digest(content.subarray(0, offset)));
  },

  'what was hashed before a restart is hashed after it': async ({ t, subject, ...check }) => {
    const contents = [1, 63, 64, 4096, 1_000_000].map((size) => ({
      ref: check.ref(),
      content: check.bytes(size),
    }));
    for (const { ref, content } of contents) {
      const writer = await subject.write(ref);
      await writer.write(content, 0);
      await writer.close();
    }
    await subject.restart();
    for (const { ref, content } of contents) {
      const size = content.length;
      t.like(await subject.status(ref), { size, offset: size, digest: await check.digest(content) });
    }
  },

  'a transfer goes on through any number of restarts, synced or not': async ({ t, subject, ...check }) => {
    const content = check.bytes(600_000);
    const ref = check.ref();
    for (let at = 0, turn = 0; at < content.length; at += 150_000, turn++) {
      const writer = await subject.write(ref);
      t.is((await subject.status(ref)).size, at);
      await writer.append(content.subarray(at, at + 100_000));
      if (turn % 2 === 0) await writer.sync();
      await writer.append(content.subarray(at + 100_000, at + 150_000));
      await writer.close();
      await subject.restart();
    }
    const digest = await check.digest(content);
    await subject.commit(ref, digest);
    check.same(await subject.readBlob(digest), content);
  },

  'what is changed after a restart below what was hashed before it counts': async ({
    t,
    subject,
    ...check
  }) => {
    const changes: Record<string, (writer: Writer, other: Buffer) => Promise<void>> = {
      'the first byte is written': (writer, other) => writer.write(other.subarray(0, 1), 0),
      'a byte in the middle is written': (writer, other) =>
        writer.write(other.subarray(50_000, 50_001), 50_000),
      'the last byte is written': (writer, other) => writer.write(other.subarray(99_999), 99_999),
      'all is written': (writer, other) => writer.write(other, 0),
      'the end is cut off and written': async (writer, other) => {
        await writer.truncate(70_000);
        await writer.append(other.subarray(70_000));
      },
      'it is emptied and written': async (writer, other) => {
        await writer.truncate(0);
        await writer.append(other);
      },
      'it is cut and extended': async (writer) => {
        await writer.truncate(70_000);
        await writer.truncate(100_000);
      },
      'it is written, synced and written': async (writer, other) => {
        await writer.write(other.subarray(0, 60_000), 0);
        await writer.sync();
        await writer.write(other.subarray(20_000, 40_000), 30_000);
      },
    };
    const cases = Object.entries(changes).map(([title, change]) => {
      return { title, change, ref: check.ref(), content: check.bytes(100_000), other: check.bytes(100_000) };
    });
    for (const { ref, content } of cases) {
      const first = await subject.write(ref);
      await first.write(content, 0);
      await first.close();
    }
    await subject.restart();
    for (const { change, ref, other } of cases) {
      const second = await subject.write(ref);
      await change(second, other);
      await second.close();
    }
    await subject.restart();
    for (const { title, ref, content } of cases) {
      const found = await subject.readIngest(ref);
      t.false(found.equals(content), title);
      const before = await check.digest(content);
      t.is(await errnoFrom(() => subject.commit(ref, before)), 'EBADMSG', title);
      t.is((await subject.status(ref)).digest, await check.digest(found), title);
      const digest = await check.digest(found);
      await subject.commit(ref, digest);
      check.same(await subject.readBlob(digest), found, title);
    }
  },

  'bytes behind a gap are there after a restart, and hashed once it is closed': async ({
    t,
    subject,
    ...check
  }) => {
    const content = check.bytes(300_000);
    const ref = check.ref();
    const pieces = [2, 0, 1].map((index) => [index * 100_000, (index + 1) * 100_000] as const);
    for (const [start, end] of pieces) {
      const writer = await subject.write(ref);
      await writer.write(content.subarray(start, end), start);
      await writer.sync();
      await writer.close();
      await subject.restart();
      t.is((await subject.status(ref)).size, 300_000);
    }
    const digest = await check.digest(content);
    await subject.commit(ref, digest);
    check.same(await subject.readBlob(digest), content);
  },

  'an ingest that is moved keeps how far it is hashed, over a restart too': async ({
    t,
    subject,
    ...check
  }) => {
    const content = check.bytes(200_000);
    const [ref, to] = [check.ref(), check.ref()];
    const writer = await subject.write(ref);
    await writer.write(content.subarray(0, 150_000), 0);
    await writer.sync();
    await subject.move(ref, to);
    await writer.close();
    await subject.restart();
    t.like(await subject.status(to), { size: 150_000, offset: 150_000 });
    const again = await subject.write(to);
    await again.append(content.subarray(150_000));
    await again.close();
    await subject.commit(to, await check.digest(content));
  },

  'an ingest with the ref of one that is gone begins with nothing': async ({ t, subject, ...check }) => {
    const [first, second] = [check.bytes(100_000), check.bytes(100_000)];
    const ref = check.ref();
    for (const [content, last] of [
      [first, false],
      [second, true],
    ] as const) {
      const writer = await subject.write(ref);
      await writer.write(content, 0);
      await writer.close();
      await subject.restart();
      const { digest } = await subject.status(ref);
      t.is(digest, await check.digest(content));
      await (last ? subject.commit(ref, digest) : subject.abort(ref));
    }
    check.same(await subject.readBlob(await check.digest(second)), second);
  },

  'why a commit was refused is told until the ingest is next opened for writing, over a restart too': async ({
    t,
    subject,
    ...check
  }) => {
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(check.bytes(1000), 0);
    await writer.close();
    const wrong = await check.digest(check.bytes(1000));
    t.is(await errnoFrom(() => subject.commit(ref, wrong)), 'EBADMSG');
    const { error } = await subject.status(ref);
    t.truthy(error);
    await subject.restart();
    t.is((await subject.status(ref)).error, error);
    const again = await subject.write(ref);
    t.is((await subject.status(ref)).error, undefined);
    await again.close();
    await subject.restart();
    t.is((await subject.status(ref)).error, undefined);
  },

  'an aborted ingest does not come back with a restart': async ({ t, subject, ...check }) => {
    const ref = check.ref();
    await (await subject.write(ref)).close();
    await subject.abort(ref);
    await subject.restart();
    t.false((await subject.list()).includes(ref));
  },
};
