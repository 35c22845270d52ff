import { failing, watchDisk } from './checkpoints/disk-calls.js';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Blobs } from '../../../store/blobs.js';
import { Ingests } from '../../../store/ingest/ingests.js';
import { parseRef } from '../../../store/ref.js';
import type { StoreEvent } from '../../../store/report.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes, digestOfFile } from '../../helpers/digests.js';
import { errnoFrom } from '../../helpers/errno.js';
import { temporaryStore, type TemporaryStore } from '../../helpers/stores.js';
import { directoryOf, reseal, restartMachine, sealsOn } from './checkpoints/on-disk.js';
import { find, transfer, write } from './checkpoints/sessions.js';

const content = seededBytes(50_000);
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** An ingest of 30 000 bytes, saved after 10 000 and at its end, that a run has left which was killed. */
async function left(t: ExecutionContext, change?: (directory: string) => void): Promise<TemporaryStore> {
  const opened = await temporaryStore(t);
  await transfer(opened.store.ingests, content, [10_000, 30_000]);
  await opened.close();
  change?.(directoryOf(opened.root));
  return opened;
}

/** What is found of the ingest by a store on a file system that keeps its order, or does not. */
async function found(
  t: ExecutionContext,
  { root }: TemporaryStore,
  keepsOrder: boolean,
): Promise<{ size: number; events: StoreEvent[]; ingests: Ingests }> {
  const own = await temporaryStore(t);
  const durability = { ...own.store.durability, keepsOrder };
  const blobs = await Blobs.open(join(root, 'blobs'), durability);
  const events: StoreEvent[] = [];
  const ingests = new Ingests(root, blobs, durability, { report: (event) => events.push(event) });
  t.teardown(async () => {
    await ingests.close();
    await blobs.close();
  });
  const [status] = await ingests.list();
  return { size: status?.size ?? -1, events, ingests };
}

/** More bytes at the end than were ever synced, as a file system shows them that has lost the last of them. */
function appendTorn(directory: string): void {
  fs.appendFileSync(join(directory, 'data'), Buffer.alloc(7000));
}

test('after a restart of the machine what was not synced is cut off where the file system keeps no order', async (t) => {
  const opened = await left(t, (directory) => {
    restartMachine(directory);
    appendTorn(directory);
  });
  const { size, events, ingests } = await found(t, opened, false);
  t.is(size, 30_000);
  t.is(fs.statSync(join(directoryOf(opened.root), 'data')).size, 30_000);
  t.deepEqual(
    events.map(({ level, fields }) => [level, fields]),
    [['warn', { ref: 'x', size: 30_000, before: 37_000 }]],
  );
  const ingest = await find(ingests);
  ingest.lock();
  await write(ingest, content.subarray(30_000), 30_000);
  ingest.unlock();
  t.is(await errnoFrom(async () => ingests.commit(ingest, { digest: await digestOfBytes(content) })), 'OK');
});

test('what was written after the cut stays, though the daemon is killed before it saves a state', async (t) => {
  const opened = await left(t, (directory) => {
    restartMachine(directory);
    appendTorn(directory);
  });
  const directory = directoryOf(opened.root);
  const again = async (): Promise<number> => (await found(t, opened, false)).size;
  t.is(await again(), 30_000);
  t.is(fs.readFileSync(`${directory}/boot`, 'utf8'), fs.readFileSync(BOOT_ID, 'utf8').trim());
  fs.appendFileSync(`${directory}/data`, content.subarray(30_000, 40_000));
  t.is(await again(), 40_000);
  t.deepEqual(fs.readFileSync(`${directory}/data`), Buffer.from(content.subarray(0, 40_000)));
  fs.writeFileSync(`${directory}/boot`, '00000000-0000-4000-8000-000000000000');
  t.is(await again(), 30_000, 'after one more restart of the machine');
});

test('what was written stays also where there was nothing to cut', async (t) => {
  const opened = await left(t, restartMachine);
  t.is((await found(t, opened, false)).size, 30_000);
  appendTorn(directoryOf(opened.root));
  t.is((await found(t, opened, false)).size, 37_000);
});

test.serial('where the boot cannot be written down nothing is cut a second time', async (t) => {
  const opened = await left(t, (directory) => {
    restartMachine(directory);
    appendTorn(directory);
  });
  watchDisk(({ name, path }) =>
    name === 'rename' && path.endsWith('/boot') ? failing('ENOSPC') : undefined,
  );
  t.teardown(() => watchDisk(undefined));
  t.is((await found(t, opened, false)).size, 30_000);
  appendTorn(directoryOf(opened.root));
  t.is((await found(t, opened, false)).size, 37_000);
});

test('a boot that is written down goes with its ingest', async (t) => {
  const opened = await left(t, restartMachine);
  const { ingests } = await found(t, opened, false);
  const ingest = await find(ingests);
  await ingests.rename(ingest, parseRef('y'));
  t.true(fs.existsSync(join(directoryOf(opened.root, 'y'), 'boot')));
  await ingests.remove(ingest);
  t.deepEqual(fs.readdirSync(join(opened.root, 'ingest')), []);
});

/** What must not be cut off. */
const whole: Readonly<Record<string, [keepsOrder: boolean, (directory: string) => void, number]>> = {
  'where the file system keeps its order': [true, restartMachine, 37_000],
  'in the same boot': [false, () => undefined, 37_000],
  'where one of its states is of this boot': [
    false,
    (directory) => reseal(directory, ({ offset }) => (offset === 10_000 ? { boot: 'other' } : {})),
    37_000,
  ],
  'of what was never synced': [false, (directory) => fs.rmSync(`${directory}/checkpoints`), 37_000],
  'where all seals are damaged': [
    false,
    (directory) => fs.writeFileSync(`${directory}/checkpoints`, 'x'),
    37_000,
  ],
  'where more was synced than is there': [
    false,
    (directory) => reseal(directory, () => ({ boot: 'other', size: 40_000 })),
    37_000,
  ],
  'where a size is none': [
    false,
    (directory) => {
      restartMachine(directory);
      const text = fs.readFileSync(`${directory}/checkpoints`, 'utf8');
      fs.writeFileSync(`${directory}/checkpoints`, text.replaceAll(/"size":\d/g, '"size":-1'));
    },
    37_000,
  ],
};

for (const [title, [keepsOrder, change, expected]] of Object.entries(whole))
  test(`nothing is cut off ${title}`, async (t) => {
    const opened = await left(t, (directory) => {
      change(directory);
      appendTorn(directory);
    });
    const { size, events } = await found(t, opened, keepsOrder);
    t.is(size, expected);
    t.is(fs.statSync(join(directoryOf(opened.root), 'data')).size, expected);
    t.deepEqual(events, []);
  });

test('nothing is cut off of what is a blob too', async (t) => {
  const opened = await left(t, (directory) => {
    restartMachine(directory);
    appendTorn(directory);
    fs.linkSync(`${directory}/data`, `${directory}/../../blobs/second`);
  });
  const { ingests } = await found(t, opened, false);
  t.true((await find(ingests)).committed);
  t.is(fs.statSync(join(directoryOf(opened.root), 'data')).size, 37_000);
});

test('fsync of a file that was found again, and not written since, tells how much is durable', async (t) => {
  const opened = await left(t, (directory) => appendTorn(directory));
  const { ingests } = await opened.reopen();
  const ingest = await find(ingests);
  t.is(ingest.size, 37_000);
  ingest.lock();
  await ingest.persist();
  ingest.unlock();
  const sizes = sealsOn(directoryOf(opened.root)).map(({ size }) => size);
  t.is(Math.max(...sizes), 37_000);
});

test('permissions that an interrupted commit has taken away are given back', async (t) => {
  const opened = await left(t, (directory) => {
    fs.chmodSync(`${directory}/data`, 0o444);
    fs.writeFileSync(`${directory}/mode`, '640');
  });
  const { ingests } = await opened.reopen();
  const ingest = await find(ingests);
  t.is(Number(ingest.stat().mode) & 0o777, 0o640);
  t.false(fs.existsSync(join(directoryOf(opened.root), 'mode')));
  ingest.lock();
  await write(ingest, content.subarray(30_000), 30_000);
  ingest.unlock();
  t.true(await ingests.commit(ingest, { digest: await digestOfBytes(content) }));
});

for (const [what, text] of [
  ['empty', ''],
  ['no number', 'rw-r--r--'],
  ['more than permissions', '4755'],
] as const)
  test(`permissions that were written down and are ${what} are forgotten`, async (t) => {
    const opened = await left(t, (directory) => {
      fs.chmodSync(`${directory}/data`, 0o600);
      fs.writeFileSync(`${directory}/mode`, text);
    });
    const ingest = await find((await opened.reopen()).ingests);
    t.is(Number(ingest.stat().mode) & 0o7777, 0o600);
    t.is(ingest.size, 30_000);
  });

test('a blob keeps its mode, though its other name was about to be given its own', async (t) => {
  const opened = await left(t);
  const digest = await digestOfFile(join(directoryOf(opened.root), 'data'));
  const store = await opened.reopen();
  const path = store.blobs.path(digest);
  await opened.close();
  const directory = directoryOf(opened.root);
  fs.chmodSync(`${directory}/data`, 0o444);
  fs.writeFileSync(`${directory}/mode`, '644');
  fs.mkdirSync(join(path, '..'), { recursive: true });
  fs.linkSync(`${directory}/data`, path);
  t.true((await find((await opened.reopen()).ingests)).committed);
  t.is(fs.statSync(path).mode & 0o777, 0o444);
});

test('half-written files go', async (t) => {
  const names = [
    'ref',
    'startedat',
    'updatedat',
    'total',
    'expected',
    'error',
    'boot',
    'mode',
    'state',
    'checkpoints',
  ];
  const opened = await left(t, (directory) => {
    for (const name of names) fs.writeFileSync(`${directory}/${name}.tmp`, 'half');
  });
  const ingest = await find((await opened.reopen()).ingests);
  t.like(ingest.status, {
    size: 30_000,
    offset: 30_000,
    total: undefined,
    expected: undefined,
    error: undefined,
  });
  const rest = fs.readdirSync(directoryOf(opened.root)).filter((name) => name.endsWith('.tmp'));
  t.deepEqual(rest, []);
});

test('what was half made goes where it is older than this run, and stays where it is younger', async (t) => {
  const opened = await temporaryStore(t);
  const make = (name: string, files: Readonly<Record<string, string>>): string => {
    const directory = join(opened.root, 'ingest', createHash('sha256').update(name).digest('hex'));
    fs.mkdirSync(directory, { recursive: true });
    for (const [file, text] of Object.entries(files)) fs.writeFileSync(`${directory}/${file}`, text);
    return directory;
  };
  const hourAgo = new Date(Date.now() - 3_600_000);
  const [old, young] = [make('old', { ref: 'old' }), make('young', { ref: 'young' })];
  fs.utimesSync(old, hourAgo, hourAgo);
  t.deepEqual(await opened.store.ingests.list(), []);
  t.deepEqual([fs.existsSync(old), fs.existsSync(young)], [false, true]);
  await opened.reopen();
  fs.utimesSync(young, hourAgo, hourAgo);
  t.deepEqual(await opened.store.ingests.list(), []);
  t.false(fs.existsSync(young));
});

test('why a commit was refused is told after a restart as well, until the ingest is next opened for writing', async (t) => {
  const opened = await left(t);
  const refused = await find((await opened.reopen()).ingests);
  t.is(
    await errnoFrom(async () =>
      opened.store.ingests.commit(refused, { digest: await digestOfBytes(content) }),
    ),
    'EBADMSG',
  );
  const { error } = refused.status;
  t.truthy(error);
  const again = await find((await opened.reopen()).ingests);
  t.is(again.status.error, error);
  again.retain();
  t.is(again.status.error, error, 'a reader is no writer');
  again.release();
  again.lock();
  t.is(again.status.error, undefined);
  again.unlock();
  t.is((await find((await opened.reopen()).ingests)).status.error, undefined);
});

test('damaged states of one ingest are in the way of no other', async (t) => {
  const opened = await temporaryStore(t);
  await transfer(opened.store.ingests, content, [10_000], { ref: 'a' });
  await transfer(opened.store.ingests, content, [10_000], { ref: 'b' });
  await opened.close();
  const directory = directoryOf(opened.root, 'a');
  fs.rmSync(`${directory}/checkpoints`);
  fs.mkdirSync(`${directory}/checkpoints`);
  const { ingests } = await opened.reopen();
  t.deepEqual((await ingests.list()).map(({ ref, size, offset }) => [ref, size, offset]).sort(), [
    ['a', 10_000, 0],
    ['b', 10_000, 10_000],
  ]);
  const digest = await digestOfBytes(content.subarray(0, 10_000));
  for (const ref of ['a', 'b'])
    t.is(await errnoFrom(async () => ingests.commit(await find(ingests, ref), { digest })), 'OK');
  t.is(await ingests.find(parseRef('a')), undefined);
});
