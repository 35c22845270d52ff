import { hexOf } from '../../store/digest.js';
import { errnoFrom } from '../helpers/errno.js';
import { ingested } from './commit-rules.js';
import type { Rules } from './suite.js';
import type { Subject, Writer } from './subject.js';

/** What holds when several do things at the same time. */
export const raceRules: Rules<Subject> = {
  'of many who open one ref for writing, one gets it and the others are told it is busy': async (check) => {
    const { t, subject } = check;
    const ref = check.ref();
    for (let round = 0; round < 5; round++) {
      const writers: Writer[] = [];
      const open = async (): Promise<void> => void writers.push(await subject.write(ref));
      const results = await Promise.all(Array.from({ length: 16 }, () => errnoFrom(open)));
      t.deepEqual(
        results.filter((result) => result !== 'OK'),
        new Array(15).fill('EBUSY'),
      );
      for (const writer of writers) await writer.close();
    }
  },

  'many ingests of the same content are all committed, to one blob': async (check) => {
    const { t, subject } = check;
    const content = check.bytes(20_000);
    const digest = await check.digest(content);
    const refs = await Promise.all(Array.from({ length: 16 }, () => ingested(check, content)));
    await Promise.all(refs.map((ref) => subject.commit(ref, digest)));
    check.same(await subject.readBlob(digest), content);
    const left = new Set(await subject.list());
    t.deepEqual(
      refs.filter((ref) => left.has(ref)),
      [],
    );
    t.is((await subject.blobs('sha256')).filter((hex) => hex === hexOf(digest)).length, 1);
  },

  'lists leave out what is committed while they are made, and fail for nothing': async (check) => {
    const { t, subject } = check;
    const contents = Array.from({ length: 40 }, () => check.bytes(100));
    const digests = await check.digests(contents);
    const refs = await Promise.all(contents.map((content) => ingested(check, content)));
    const committing = new AbortController();
    const lists = (async () => {
      while (!committing.signal.aborted) await Promise.all([subject.list(), subject.blobs('sha256')]);
    })();
    for (const [index, ref] of refs.entries()) await subject.commit(ref, digests[index] ?? '');
    committing.abort();
    await lists;
    const found = new Set(await subject.blobs('sha256'));
    t.true(digests.every((digest) => found.has(hexOf(digest))));
  },

  'of a commit and an abort at once, one wins and nothing is half done': async (check) => {
    const { t, subject } = check;
    const contents = Array.from({ length: 20 }, () => check.bytes(30_000));
    const digests = await check.digests(contents);
    for (const [index, digest] of digests.entries()) {
      const ref = await ingested(check, contents[index] ?? Buffer.alloc(0));
      const [commit, abort] = await Promise.all([
        errnoFrom(() => subject.commit(ref, digest)),
        errnoFrom(() => subject.abort(ref)),
      ]);
      t.true([commit, abort].includes('OK'), `${commit}, ${abort}`);
      t.false((await subject.list()).includes(ref), `${commit}, ${abort}`);
      const there = await errnoFrom(() => subject.readBlob(digest));
      t.is(there, commit === 'OK' ? 'OK' : 'ENOENT');
      if (there === 'OK') check.same(await subject.readBlob(digest), contents[index]);
    }
  },

  'of a commit and a move at once, both succeed in turn or one finds nothing': async (check) => {
    const { t, subject } = check;
    const contents = Array.from({ length: 20 }, () => check.bytes(30_000));
    const digests = await check.digests(contents);
    for (const [index, digest] of digests.entries()) {
      const ref = await ingested(check, contents[index] ?? Buffer.alloc(0));
      const to = check.ref();
      const [move, commit] = await Promise.all([
        errnoFrom(() => subject.move(ref, to)),
        errnoFrom(() => subject.commit(ref, digest)),
      ]);
      const list = await subject.list();
      t.false(list.includes(ref), `${move}, ${commit}`);
      t.is(list.includes(to), commit !== 'OK', `${move}, ${commit}`);
      if (commit !== 'OK') await subject.commit(to, digest);
      check.same(await subject.readBlob(digest), contents[index], `${move}, ${commit}`);
    }
  },

  'what is cut or written while it is committed never stands under a wrong name': async (check) => {
    const { t, subject } = check;
    const contents = Array.from({ length: 20 }, () => check.bytes(60_000));
    const digests = await check.digests(contents);
    for (const [index, digest] of digests.entries()) {
      const content = contents[index] ?? Buffer.alloc(0);
      const ref = check.ref();
      const writer = await subject.write(ref);
      await writer.write(content, 0);
      const change = index % 2 === 0 ? writer.truncate(index) : writer.write(Buffer.alloc(50), index);
      const changed = errnoFrom(() => change);
      for (let wait = 0; wait < index; wait++) await Promise.resolve();
      const commit = await errnoFrom(() => subject.commit(ref, digest));
      t.true(['OK', 'EBADMSG'].includes(commit), commit);
      t.true(['OK', 'EBADF'].includes(await changed));
      await writer.close();
      if (commit === 'OK') check.same(await subject.readBlob(digest), content);
      else t.is(await errnoFrom(() => subject.readBlob(digest)), 'ENOENT');
    }
  },
};
