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

  'an aborted ingest does not come back with a restart': async ({ t, subject, ...check }) => {
    const ref = check.ref();
    await (await subject.write(ref)).close();
    await subject.abort(ref);
    await subject.restart();
    t.false((await subject.list()).includes(ref));
  },
};
