import { ALGORITHMS, hexOf } from '../../store/digest.js';
import { errnoFrom } from '../helpers/errno.js';
import { ingested } from './commit-rules.js';
import type { Case, Rules } from './suite.js';
import type { Subject } from './subject.js';

async function committed(check: Case<Subject>, content: Uint8Array): Promise<string> {
  const digest = await check.digest(content);
  await check.subject.commit(await ingested(check, content), digest);
  return digest;
}

/** What can be done with blobs. */
export const blobRules: Rules<Subject> = {
  'a blob is read in any part, and ends where it ends': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(6);
    const digest = await committed(check, content);
    check.same(await subject.readBlob(digest, 7), content);
    check.same(await subject.readBlob(digest, 7, 4), content.subarray(4));
    check.same(await subject.readBlob(digest, 2, 2), content.subarray(2, 4));
    t.is((await subject.readBlob(digest, 7, 6)).length, 0);
    t.is((await subject.readBlob(digest, 7, 1000)).length, 0);
  },

  'labels are set, replaced and removed one by one, and outlive a restart': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(600);
    const digest = await committed(check, content);
    t.deepEqual(await subject.labels(digest), {});
    await subject.setLabel(digest, 'k1', 'v1');
    await subject.setLabel(digest, 'containerd.io/gc.root', 'größe');
    t.deepEqual(await subject.labels(digest), { k1: 'v1', 'containerd.io/gc.root': 'größe' });
    await subject.setLabel(digest, 'k1', 'other');
    await subject.removeLabel(digest, 'containerd.io/gc.root');
    t.is(await errnoFrom(() => subject.removeLabel(digest, 'containerd.io/gc.root')), 'ENODATA');
    await subject.restart();
    t.deepEqual(await subject.labels(digest), { k1: 'other' });
    check.same(await subject.readBlob(digest), content);
  },

  'a label moves the change time of its blob, not the time of its commit': async (check) => {
    const { t, subject } = check;
    const digest = await committed(check, check.bytes(600));
    const before = await subject.blob(digest);
    await subject.setLabel(digest, 'k', 'v');
    await subject.restart();
    const after = await subject.blob(digest);
    t.is(after.mtime, before.mtime);
    t.true(after.ctime > before.ctime);
  },

  'a blob that was removed is gone, and can be committed again': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(600);
    const digest = await committed(check, content);
    await subject.removeBlob(digest);
    t.is(await errnoFrom(() => subject.blob(digest)), 'ENOENT');
    t.is(await errnoFrom(() => subject.readBlob(digest)), 'ENOENT');
    t.is(await errnoFrom(() => subject.removeBlob(digest)), 'ENOENT');
    t.is(await errnoFrom(() => subject.setLabel(digest, 'k', 'v')), 'ENOENT');
    await committed(check, content);
    check.same(await subject.readBlob(digest), content);
    t.deepEqual(await subject.labels(digest), {});
  },

  'a list of blobs has each one once, under its algorithm alone': async (check) => {
    const { t, subject } = check;
    const contents = Array.from({ length: 20 }, () => check.bytes(50));
    const digests = await check.digests(contents);
    for (const [index, digest] of digests.entries())
      await subject.commit(await ingested(check, contents[index] ?? Buffer.alloc(0)), digest);
    const lists = await Promise.all(ALGORITHMS.map((algorithm) => subject.blobs(algorithm)));
    for (const digest of digests) {
      const found = lists.map((list) => list.filter((hex) => hex === hexOf(digest)).length);
      t.deepEqual(found, [1, 0, 0]);
    }
  },
};
