import fs from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import type { Ingest } from '../../../store/ingest/ingest.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes, digestOfFile, digestsOfFiles } from '../../helpers/digests.js';
import { errnoFrom } from '../../helpers/errno.js';
import { propertySettings } from '../../helpers/properties.js';
import { temporaryStore } from '../../helpers/stores.js';

/** Lets other work go on for some turns of the microtask queue. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

interface Change {
  readonly kind: 'write' | 'truncate' | 'digest';
  readonly offset: number;
  readonly size: number;
  readonly seed: number;
  readonly wait: number;
}

/** Small pieces are written and hashed at once, large ones on the thread pool. */
const size = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 90_000 }));
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant('write' as const) },
    { weight: 2, arbitrary: fc.constant('truncate' as const) },
    { weight: 1, arbitrary: fc.constant('digest' as const) },
  ),
  offset: fc.oneof(fc.nat(300), fc.nat(100_000)),
  size,
  seed: fc.nat(1000),
  wait: fc.nat(6),
});

async function apply(ingest: Ingest, { kind, offset, size, seed }: Change): Promise<void> {
  if (kind === 'truncate') await ingest.truncate(offset);
  else if (kind === 'digest') await ingest.prefixDigest();
  else await (await ingest.write(seededBytes(size, seed), offset)).held;
}

test('whatever is written at the same time, the digest is that of the file', async (t) => {
  const { store } = await temporaryStore(t);
  let run = 0;
  const bursts = fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 });
  const property = fc.asyncProperty(bursts, async (drawn) => {
    const ingest = await store.ingests.create(parseRef(`run-${++run}`), 'sha256');
    for (const burst of drawn) {
      const changes = burst.map(async (change) => {
        await turns(change.wait);
        await apply(ingest, change);
      });
      await Promise.all(changes);
    }
    // At rest it would be moved meanwhile.
    const digest = await digestOfFile(ingest.record.data);
    ingest.unlock();
    const wrong = await digestOfBytes(Buffer.from(`wrong ${run}`));
    const refused = await errnoFrom(() => store.ingests.commit(ingest, { digest: wrong }));
    const accepted = await errnoFrom(() => store.ingests.commit(ingest, { digest }));
    const there = await digestOfFile(store.blobs.path(digest));
    return refused === 'EBADMSG' && accepted === 'OK' && there === digest;
  });
  await fc.assert(property, propertySettings(t, 150));
  t.pass();
});

test('a commit in the middle of changes gives a right blob or none', async (t) => {
  const { store } = await temporaryStore(t);
  let run = 0;
  const content = seededBytes(70_000, 9);
  const property = fc.asyncProperty(
    fc.array(change, { minLength: 1, maxLength: 5 }),
    fc.nat(12),
    async (drawn, wait) => {
      const own = Buffer.concat([content, Buffer.from(`${++run}`)]);
      const digest = await digestOfBytes(own);
      const ingest = await store.ingests.create(parseRef(`run-${run}`), 'sha256');
      await (
        await ingest.write(own, 0)
      ).held;
      const changes = drawn.map(async (change) => {
        await turns(change.wait);
        return errnoFrom(() => apply(ingest, change));
      });
      await turns(wait);
      const committed = await errnoFrom(() => store.ingests.commit(ingest, { digest }));
      const ends = await Promise.all(changes);
      ingest.unlock();
      if (committed !== 'OK')
        return committed === 'EBADMSG' && ends.every((end) => end === 'OK' || end === 'EBADF');
      return (await digestOfFile(store.blobs.path(digest))) === digest;
    },
  );
  await fc.assert(property, propertySettings(t, 150));
  t.pass();
});

test('ingests that settle, are listed and are committed at once are mixed up with no other', async (t) => {
  const { store } = await temporaryStore(t);
  const contents = Array.from({ length: 120 }, (_, index) => seededBytes(3000 + index, index + 1));
  const digests = await Promise.all(contents.map((content) => digestOfBytes(content)));
  const work = contents.map(async (content, index) => {
    const ingest = await store.ingests.create(parseRef(`ref-${index}`), 'sha256');
    await (
      await ingest.write(content, 0)
    ).held;
    ingest.unlock();
    await turns(index % 11);
    const settling = errnoFrom(() => ingest.settle());
    await turns(index % 7);
    const digest = digests[index];
    if (digest === undefined) throw new Error('no digest');
    await Promise.all([store.ingests.commit(ingest, { digest }), errnoFrom(() => ingest.stat()), settling]);
  });
  await Promise.all(work);
  const paths = digests.map((digest) => store.blobs.path(digest));
  t.deepEqual(await digestsOfFiles('sha256', paths), digests);
  t.true(paths.every((path) => (fs.statSync(path).mode & 0o777) === 0o444));
});

test('one ref can be made, moved, removed and committed by many at once', async (t) => {
  const { store, root } = await temporaryStore(t);
  const [ref, to] = [parseRef('ref'), parseRef('to')];
  const content = seededBytes(500, 3);
  const digest = await digestOfBytes(content);
  const step = fc.tuple(fc.constantFrom('create', 'remove', 'move', 'back', 'commit', 'declare'), fc.nat(5));
  const property = fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
    const work = steps.map(async ([what, wait]) => {
      await turns(wait);
      return errnoFrom(async () => {
        if (what === 'create') {
          const made = await store.ingests.create(ref, 'sha256');
          await (
            await made.write(content, 0)
          ).held;
          made.unlock();
          return;
        }
        const found = await store.ingests.find(what === 'back' ? to : ref);
        if (found === undefined) return;
        if (what === 'remove') await store.ingests.remove(found);
        else if (what === 'move') await store.ingests.rename(found, to);
        else if (what === 'back') await store.ingests.rename(found, ref);
        else if (what === 'declare') await found.expect({ total: content.length });
        else await store.ingests.commit(found, { digest });
      });
    });
    const ends = await Promise.all(work);
    const expected = new Set(['OK', 'EEXIST', 'EBADF', 'EBUSY', 'EBADMSG', 'ENOENT']);
    for (const end of ends) if (!expected.has(end)) throw new Error(end);
    for (const { ref: left } of await store.ingests.list()) {
      const ingest = await store.ingests.find(left);
      if (ingest === undefined) throw new Error(`${left} is listed and not there`);
      if (ingest.stat().size !== BigInt(ingest.size)) throw new Error(`${left} has another's bytes`);
      await store.ingests.remove(ingest);
    }
    const there = fs.existsSync(store.blobs.path(digest));
    if (there && (await digestOfFile(store.blobs.path(digest))) !== digest) throw new Error('a wrong blob');
  });
  await fc.assert(property, propertySettings(t, 300));
  t.deepEqual(fs.readdirSync(`${root}/ingest`, { recursive: true }), []);
  t.deepEqual(fs.readdirSync(`${root}/fresh`, { recursive: true }), []);
});

test('refs of any length are made side by side, each with a file of its own', async (t) => {
  const opened = await temporaryStore(t);
  const refs = [1, 190, 191, 192, 250, 255].flatMap((length) =>
    ['a', 'b', 'c'].map((letter) => parseRef(letter.repeat(length))),
  );
  refs.push(parseRef(`${'d'.repeat(255)}/`.repeat(15) + 'e'.repeat(255)));
  await Promise.all(
    refs.map(async (ref, index) => {
      const ingest = await opened.store.ingests.create(ref, 'sha256');
      await (
        await ingest.write(seededBytes(100, index), 0)
      ).held;
      ingest.unlock();
    }),
  );
  const store = await opened.reopen();
  for (const [index, ref] of refs.entries()) {
    const ingest = await store.ingests.find(ref);
    if (ingest === undefined) return t.fail(`${ref} is gone`);
    t.true(await store.ingests.commit(ingest, { digest: await digestOfBytes(seededBytes(100, index)) }));
  }
});

test('an ingest that is removed while its times are written down is gone, with its directory', async (t) => {
  const { root, store } = await temporaryStore(t);
  for (let round = 0; round < 60; round++) {
    const ingest = await store.ingests.create(parseRef('idle'), 'sha256');
    ingest.unlock();
    const settled = ingest.settle().catch(() => undefined);
    if (round % 2 === 0) await ingest.keeper.settle();
    await turns(round % 7);
    await store.ingests.remove(ingest);
    await settled;
    t.deepEqual(fs.readdirSync(`${root}/ingest`), []);
  }
});
