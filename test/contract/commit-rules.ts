import fs from 'node:fs';
import { ALGORITHMS, hexOf } from '../../store/digest.js';
import { errnoFrom } from '../helpers/errno.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import type { Case, Rules } from './suite.js';
import type { Subject } from './subject.js';

/** Makes an ingest of `content` that nobody has open. */
export async function ingested({ subject, ref }: Case<Subject>, content: Uint8Array): Promise<string> {
  const name = ref();
  const writer = await subject.write(name);
  await writer.write(content, 0);
  await writer.close();
  return name;
}

/** How an ingest becomes a blob, or does not. */
export const commitRules: Rules<Subject> = {
  'content is under its digest after the commit, and not before': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(4096);
    const digest = await check.digest(content);
    const ref = await ingested(check, content);
    t.is(await errnoFrom(() => subject.blob(digest)), 'ENOENT');
    t.is(await errnoFrom(() => subject.readBlob(digest)), 'ENOENT');
    await subject.commit(ref, digest);
    check.same(await subject.readBlob(digest), content);
    t.is(await errnoFrom(() => subject.status(ref)), 'ENOENT');
    t.false((await subject.list()).includes(ref));
    t.is(await errnoFrom(() => subject.commit(ref, digest)), 'ENOENT');
  },

  'a blob is read-only, and as old as its commit': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(10);
    const digest = await check.digest(content);
    const ref = await ingested(check, content);
    const directory = temporaryDirectory(t);
    /** The time as the kernel gives it to files. */
    const now = (name: string): bigint => {
      fs.writeFileSync(`${directory}/${name}`, '');
      return fs.statSync(`${directory}/${name}`, { bigint: true }).mtimeNs;
    };
    const before = now('before');
    await subject.commit(ref, digest);
    const { mode, mtime, size } = await subject.blob(digest);
    t.is(mode, 0o444);
    t.is(size, 10);
    t.true(before <= mtime && mtime <= now('after'));
  },

  'every algorithm has its own name for the same content': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(100_000);
    for (const algorithm of ALGORITHMS) {
      const digest = await check.digest(content, algorithm);
      await subject.commit(await ingested(check, content), digest);
      check.same(await subject.readBlob(digest), content, algorithm);
      t.true((await subject.blobs(algorithm)).includes(hexOf(digest)), algorithm);
    }
  },

  'no content is content too': async (check) => {
    const { t, subject } = check;
    const digest = await check.digest(Buffer.alloc(0));
    const wrong = await check.digest(check.bytes(1));
    const ref = await ingested(check, Buffer.alloc(0));
    t.is(await errnoFrom(() => subject.commit(ref, wrong)), 'EBADMSG');
    await subject.commit(ref, digest);
    check.same(await subject.readBlob(digest), Buffer.alloc(0));
  },

  'content that is there already is a success, declared or not, and the ref is free again': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(5000);
    const digest = await check.digest(content);
    await subject.commit(await ingested(check, content), digest);
    const { mtime } = await subject.blob(digest);
    for (const expected of [undefined, digest]) {
      const ref = await ingested(check, content);
      if (expected !== undefined) await subject.declare(ref, { expected });
      await subject.commit(ref, digest);
      t.is((await subject.blob(digest)).mtime, mtime);
      t.false((await subject.list()).includes(ref));
      const writer = await subject.write(ref);
      t.is((await subject.status(ref)).size, 0);
      await writer.close();
    }
  },

  'a wrong digest is refused with a reason, and the ingest goes on as if nothing was': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(5000);
    const [digest = '', wrong = ''] = await check.digests([content, check.bytes(5000)]);
    const ref = await ingested(check, content.subarray(0, 3000));
    t.is(await errnoFrom(() => subject.commit(ref, digest)), 'EBADMSG');
    t.is(await errnoFrom(() => subject.commit(ref, wrong)), 'EBADMSG');
    t.is(await errnoFrom(() => subject.blob(wrong)), 'ENOENT');
    t.regex((await subject.status(ref)).error ?? '', /digest|bytes|sha256/);
    const writer = await subject.write(ref);
    t.is((await subject.status(ref)).error, undefined);
    t.is((await subject.status(ref)).size, 3000);
    await writer.write(content.subarray(3000), 3000);
    await writer.close();
    await subject.commit(ref, digest);
    check.same(await subject.readBlob(digest), content);
    t.is((await subject.blob(digest)).mode, 0o444);
    const reused = await subject.write(ref);
    await reused.truncate(0);
    await reused.close();
  },

  'a wrong size is refused until it is right or no longer declared': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(900);
    const digest = await check.digest(content);
    const ref = await ingested(check, content);
    for (const total of [899, 901, 0]) {
      await subject.declare(ref, { total });
      t.is(await errnoFrom(() => subject.commit(ref, digest)), 'EBADMSG', `${total}`);
    }
    t.regex((await subject.status(ref)).error ?? '', /size/);
    await subject.declare(ref, { total: undefined });
    await subject.commit(ref, digest);
    const again = await ingested(check, content);
    await subject.declare(again, { total: 900 });
    await subject.commit(again, digest);
  },

  'a declared digest must hold as well as the name, in whatever algorithm': async (check) => {
    const { t, subject } = check;
    const [content, other] = [check.bytes(900), check.bytes(900)];
    const digest = await check.digest(content);
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const ref = await ingested(check, content);
      await subject.declare(ref, { expected: await check.digest(other, algorithm) });
      t.is(await errnoFrom(() => subject.commit(ref, digest)), 'EBADMSG');
      await subject.declare(ref, { expected: await check.digest(content, algorithm) });
      await subject.commit(ref, digest);
    }
  },

  'a commit seals an ingest that is still open: its writer can write no more': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(5000);
    const digest = await check.digest(content);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(content, 0);
    await subject.commit(ref, digest);
    t.is(await errnoFrom(() => writer.write(check.bytes(10), 0)), 'EBADF');
    t.is(await errnoFrom(() => writer.append(check.bytes(10))), 'EBADF');
    t.is(await errnoFrom(() => writer.truncate(0)), 'EBADF');
    await writer.close();
    check.same(await subject.readBlob(digest), content);
  },

  'a refused commit leaves the writer at work': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(5000);
    const digest = await check.digest(content);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(content.subarray(0, 4000), 0);
    t.is(await errnoFrom(() => subject.commit(ref, digest)), 'EBADMSG');
    await writer.write(content.subarray(4000), 4000);
    await subject.commit(ref, digest);
    await writer.close();
    check.same(await subject.readBlob(digest), content);
  },

  'a link commits too, and leaves the ref as a second name that cannot change': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(5000);
    const digest = await check.digest(content);
    const ref = check.ref();
    const writer = await subject.write(ref);
    await writer.write(content, 0);
    t.is(await errnoFrom(async () => subject.link(ref, await check.digest(check.bytes(3)))), 'EBADMSG');
    await subject.link(ref, digest);
    t.is(await errnoFrom(() => writer.write(check.bytes(10), 0)), 'EBADF');
    await writer.close();
    check.same(await subject.readIngest(ref), content);
    t.not(await errnoFrom(() => subject.write(ref)), 'OK');
    await subject.restart();
    t.not(await errnoFrom(() => subject.write(ref, 'truncate')), 'OK');
    check.same(await subject.readIngest(ref), content);
    await subject.abort(ref);
    check.same(await subject.readBlob(digest), content);
  },
};
