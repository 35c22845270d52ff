import test from 'ava';
import type { Ingest } from '../../../store/ingest/ingest.js';
import { type StatusJson, statusJsonOf, statusJsonOfAll } from '../../../store/ingest/status-json.js';
import type { IngestStatus } from '../../../store/ingest/status.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes } from '../../helpers/digests.js';
import { errnoFrom } from '../../helpers/errno.js';
import { temporaryStore } from '../../helpers/stores.js';

/** Milliseconds in which hashing has caught up on any machine. */
const LONG = 60_000;

const KEYS = [
  'ref',
  'size',
  'offset',
  'total',
  'percent',
  'rate',
  'eta',
  'algorithm',
  'digest',
  'expected',
  'started',
  'updated',
  'holder',
  'error',
];

async function write(ingest: Ingest, data: Uint8Array, offset = 0): Promise<void> {
  for (let done = 0; done < data.length;) {
    const { size, held } = await ingest.write(data.subarray(done), offset + done);
    await held;
    done += size;
  }
}

test('every key is there from the start, and what is not known is null', async (t) => {
  const { store } = await temporaryStore(t);
  const ingest = await store.ingests.create(parseRef('job/x'), 'sha256');
  ingest.unlock();
  const shown = await statusJsonOf(ingest, LONG);
  t.deepEqual(Object.keys(shown), KEYS);
  t.like(shown, {
    ref: 'job/x',
    size: 0,
    offset: 0,
    total: null,
    percent: null,
    rate: null,
    eta: null,
    algorithm: 'sha256',
    digest: await digestOfBytes(Buffer.alloc(0)),
    expected: null,
    holder: null,
    error: null,
  });
  t.is(new Date(shown.started).toISOString(), shown.started);
  t.true(shown.updated >= shown.started);
});

for (const algorithm of ['sha256', 'sha512', 'blake3'] as const) {
  test(`the digest is the ${algorithm} of the first bytes, as many as it says`, async (t) => {
    const { store } = await temporaryStore(t);
    const ingest = await store.ingests.create(parseRef('x'), algorithm);
    const bytes = seededBytes(300_007);
    await write(ingest, bytes.subarray(0, 200_000));
    await write(ingest, bytes.subarray(250_000), 250_000);
    const shown = await statusJsonOf(ingest, LONG);
    t.like(shown, { size: 300_007, offset: 200_000, algorithm });
    t.is(shown.digest, await digestOfBytes(bytes.subarray(0, 200_000), algorithm));
    ingest.unlock();
  });
}

test('a writer is told with its command, and what was declared with how far it has come', async (t) => {
  const { store } = await temporaryStore(t);
  const created = await store.ingests.create(parseRef('x'), 'sha256', 0o600, process.pid);
  await created.expect({ total: 1000, expected: await digestOfBytes(seededBytes(1000)) });
  await write(created, seededBytes(1000).subarray(0, 250));
  const shown = await statusJsonOf(created, LONG);
  t.like(shown, { total: 1000, percent: 25, expected: await digestOfBytes(seededBytes(1000)) });
  t.is(shown.holder?.pid, process.pid);
  t.is(typeof shown.holder?.command, 'string');
  t.true((shown.holder?.since ?? '') >= shown.started);
  created.unlock();
  t.is((await statusJsonOf(created, LONG)).holder, null);
});

test('a writer that nothing is known of is a writer all the same', async (t) => {
  const { store } = await temporaryStore(t);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256', 0o600, 0);
  t.like((await statusJsonOf(ingest, LONG)).holder, { pid: null, command: null });
  ingest.unlock();
});

test('a commit that was refused is told, until the next writer', async (t) => {
  const { store } = await temporaryStore(t);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  ingest.unlock();
  const digest = await digestOfBytes(seededBytes(10));
  t.is(await errnoFrom(() => store.ingests.commit(ingest, { digest })), 'EBADMSG');
  const { error } = await statusJsonOf(ingest, LONG);
  t.is(error?.code, 'DIGEST_MISMATCH');
  t.regex(error?.message ?? '', /^x: the bytes are not what the name says/);
  ingest.lock();
  t.is((await statusJsonOf(ingest, LONG)).error, null);
  ingest.unlock();
});

test('while hashing is behind the status is told without a digest, and afterwards with it', async (t) => {
  const { store } = await temporaryStore(t);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  let free = (): void => undefined;
  const reached = ingest.reached.bind(ingest);
  ingest.reached = () => new Promise((resolve) => (free = () => void reached().then(resolve)));
  await write(ingest, seededBytes(1000));
  t.like(await statusJsonOf(ingest, 1), { size: 1000, offset: 1000, digest: null });
  const later = statusJsonOf(ingest, LONG);
  free();
  t.is((await later).digest, await digestOfBytes(seededBytes(1000)));
  ingest.unlock();
});

test('a status that cannot be hashed is told without a digest', async (t) => {
  const { store } = await temporaryStore(t);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  ingest.reached = () => Promise.reject(new Error('EIO'));
  t.is((await statusJsonOf(ingest, LONG)).digest, null);
  ingest.unlock();
});

test('what an earlier run left is looked at a few at a time, and told without a digest until then', async (t) => {
  const opened = await temporaryStore(t);
  const bytes = seededBytes(100);
  for (let index = 0; index < 70; index++) {
    const ingest = await opened.store.ingests.create(parseRef(`${index}`), 'sha256');
    await write(ingest, bytes);
    ingest.unlock();
  }
  const { ingests } = await opened.reopen();
  const known = async (): Promise<number> => {
    let count = 0;
    for await (const { size, offset, digest } of statusJsonOfAll(ingests)) {
      t.is(size, 100);
      if (digest === null) continue;
      t.is(digest, await digestOfBytes(bytes.subarray(0, offset)));
      count++;
    }
    return count;
  };
  t.true((await known()) <= 64);
  for (let tries = 0; (await known()) < 70; tries++) if (tries > 100) return t.fail('some stay unknown');
});

test('all ingests are told, the oldest first, and none that has gone meanwhile', async (t) => {
  const { store } = await temporaryStore(t);
  const { ingests } = store;
  const refs = ['b', 'd/a', '/c', 'a'].map((ref) => parseRef(ref));
  for (const ref of refs) (await ingests.create(ref, 'sha256')).unlock();
  // As many as in a large store: each of the four many times over.
  const list = async (): Promise<IngestStatus[]> => {
    const statuses = await ingests.list();
    return Array.from({ length: 1200 }, (_, index) => statuses[Math.floor(index / 300)]).filter(
      (status) => status !== undefined,
    );
  };
  const shown: StatusJson[] = [];
  for await (const status of statusJsonOfAll({ list, get: (ref) => ingests.get(ref) })) {
    if (shown.push(status) > 1) continue;
    const last = await ingests.find(parseRef('a'));
    if (last !== undefined) await ingests.remove(last);
  }
  const started = shown.map((status) => status.started);
  t.deepEqual(started, started.toSorted());
  t.deepEqual([...new Set(shown.map(({ ref }) => ref))].toSorted(), ['/c', 'b', 'd/a']);
  t.is(shown.length, 900);
});
