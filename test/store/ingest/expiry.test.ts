import { watchDisk } from './checkpoints/disk-calls.js';
import fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { onPool } from '../../../store/files.js';
import { DEFAULT_EXPIRY, isExpired } from '../../../store/ingest/expiry.js';
import type { Ingest } from '../../../store/ingest/ingest.js';
import type { StoreEvent } from '../../../store/report.js';
import { parseRef } from '../../../store/ref.js';
import type { Store, StoreOptions } from '../../../store/store.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes } from '../../helpers/digests.js';
import { temporaryStore, type TemporaryStore } from '../../helpers/stores.js';
import { find, write } from './checkpoints/sessions.js';

const HOUR = 60 * 60 * 1000;

/** So many hours from now. */
function inHours(hours: number): Date {
  return new Date(Date.now() + hours * HOUR);
}

interface Opened {
  readonly opened: TemporaryStore;
  readonly store: Store;
  readonly events: StoreEvent[];
}

async function open(t: ExecutionContext, options: StoreOptions = {}): Promise<Opened> {
  const events: StoreEvent[] = [];
  const opened = await temporaryStore(t, { ...options, report: (event) => events.push(event) });
  return { opened, store: opened.store, events };
}

/** An ingest of some bytes that nobody has open. */
async function make(store: Store, ref: string): Promise<Ingest> {
  const ingest = await store.ingests.create(parseRef(ref), 'sha256');
  await write(ingest, seededBytes(1000), 0);
  ingest.unlock();
  return ingest;
}

async function refs(store: Store): Promise<string[]> {
  return (await store.ingests.list()).map(({ ref }) => ref).sort();
}

/** A name of the user's, a tool's temporary one, and one directly under a digest. */
const NAMES = ['mine', '/tmp/x.part', `/blobs/sha256/${'a'.repeat(64)}.tmp`];

test.serial(
  'what a user has named stays, what a tool has named goes after a day without a write',
  async (t) => {
    const { opened, store, events } = await open(t);
    for (const ref of NAMES) await make(store, ref);
    t.is(await store.ingests.expire(inHours(23.9)), 0);
    t.deepEqual(await refs(store), [...NAMES].sort());
    t.is(await store.ingests.expire(inHours(24.1)), 2);
    t.deepEqual(await refs(store), ['mine']);
    t.is(await store.ingests.expire(inHours(1e6)), 0);
    t.deepEqual(
      events.slice(0, 2).map(({ level, message, fields }) => [level, message, fields['ref'], fields['size']]),
      NAMES.slice(1).map((ref) => ['info', 'ingest expired', ref, 1000]),
    );
    // At rest it gets its directory.
    await (await find(store.ingests, 'mine')).settle();
    const left = [
      ...fs.readdirSync(join(opened.root, 'ingest')),
      ...fs.readdirSync(join(opened.root, 'fresh')),
    ];
    t.is(left.length, 1);
  },
);

test.serial('how long they stay can be chosen, and Infinity is for ever', async (t) => {
  const { store } = await open(t, { expiry: { named: 2 * HOUR, temporary: Infinity } });
  for (const ref of NAMES) await make(store, ref);
  t.is(await store.ingests.expire(inHours(1.9)), 0);
  t.is(await store.ingests.expire(inHours(2.1)), 1);
  t.is(await store.ingests.expire(inHours(1e6)), 0);
  t.deepEqual(await refs(store), NAMES.slice(1).sort());
});

test.serial('after a restart it is as old as before', async (t) => {
  const { opened, store } = await open(t);
  await make(store, '/x.part');
  const again = await opened.reopen();
  t.is(await again.ingests.expire(inHours(23.9)), 0);
  t.is(await again.ingests.expire(inHours(24.1)), 1);
});

test.serial('what is open stays, whoever has it open', async (t) => {
  const { store } = await open(t);
  const [written, read] = [await make(store, '/written.part'), await make(store, '/read.part')];
  await make(store, '/idle.part');
  written.lock();
  read.retain();
  t.is(await store.ingests.expire(inHours(100)), 1);
  t.deepEqual(await refs(store), ['/read.part', '/written.part']);
  await write(written, seededBytes(10), 1000);
  written.unlock();
  read.release();
  t.is(await store.ingests.expire(inHours(200)), 2);
});

test.serial('what is opened, moved or committed while others are removed stays as well', async (t) => {
  const { store } = await open(t);
  const all = await Promise.all(['/a.part', '/b.part', '/c.part', '/d.part'].map((ref) => make(store, ref)));
  const [, opened, moved, committed] = all;
  let meanwhile: Promise<unknown> | undefined;
  // Beside what the pool does no call is made at once: the removal of the first one can be held up until it is done.
  let release: () => void = () => undefined;
  const held = onPool(new Promise<void>((resolve) => (release = resolve)));
  watchDisk(({ name }) => {
    if (name !== 'unlink' || meanwhile !== undefined) return undefined;
    opened?.lock();
    meanwhile = Promise.all([
      moved && store.ingests.rename(moved, parseRef('kept')),
      committed &&
        digestOfBytes(seededBytes(1000)).then((digest) => store.ingests.commit(committed, { digest })),
    ]);
    return meanwhile.then(() => undefined);
  });
  try {
    for (const ingest of all) await ingest.settle();
    t.is(await store.ingests.expire(inHours(100)), 1);
  } finally {
    watchDisk(undefined);
    release();
  }
  await Promise.all([held, meanwhile]);
  t.deepEqual(await refs(store), ['/b.part', 'kept']);
  if (opened) await write(opened, seededBytes(10), 1000);
  opened?.unlock();
});

test.serial(
  'a clock that was set back makes nothing older, and one set forward nothing younger',
  async (t) => {
    const { store } = await open(t);
    const ingest = await make(store, '/x.part');
    t.is(await store.ingests.expire(inHours(-1e6)), 0);
    const { status } = await find(store.ingests, '/x.part');
    t.is(ingest.status.updatedAt.getTime(), status.updatedAt.getTime());
    const age = (updatedAt: Date, startedAt: Date): boolean =>
      isExpired({ ...status, updatedAt, startedAt }, DEFAULT_EXPIRY, inHours(0));
    t.false(age(inHours(-100), inHours(-1)), 'started after it was written: the clock was wrong then');
    t.false(age(inHours(100), inHours(100)), 'written in the future');
    t.true(age(inHours(-25), inHours(-100)));
    const named = (ref: string): boolean =>
      isExpired({ ...status, ref: parseRef(ref) }, DEFAULT_EXPIRY, inHours(25));
    t.true(named(`${'a'.repeat(64)}_4294967295`), 'of oras, that was killed');
    t.false(named('a'.repeat(64)));
  },
);

test.serial('a directory that a tool has left empty goes after a day, whatever has been in it', async (t) => {
  const { opened, store, events } = await open(t);
  const made = ['/.tool-1', '/.tool-2', '/.tool-2/below', '/.tool-3', 'mine'];
  for (const path of made) await store.ingests.makeDirectory(parseRef(path));
  await make(store, '/.tool-3/x');
  await make(store, `/blobs/sha256/${'a'.repeat(64)}.tmp`);
  const left = (of: Store): string[] => made.filter((path) => of.ingests.get(path) === 'directory');
  await store.ingests.expire(inHours(23.9));
  t.deepEqual(left(store), made);
  await store.ingests.expire(inHours(24.1));
  t.deepEqual(left(store), ['/.tool-2', 'mine']);
  const paths = events
    .filter(({ message }) => message === 'directory expired')
    .map(({ fields }) => fields['path']);
  t.deepEqual(paths.sort(), ['/.tool-1', '/.tool-2/below', '/.tool-3']);
  const again = await opened.reopen();
  await again.ingests.expire(inHours(48.2));
  t.deepEqual(left(again), ['mine']);
});
