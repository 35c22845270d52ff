import fs from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Digest } from '../../../../store/digest.js';
import type { Ingest } from '../../../../store/ingest/ingest.js';
import type { Ingests } from '../../../../store/ingest/ingests.js';
import type { StoreEvent } from '../../../../store/report.js';
import { seededBytes } from '../../../helpers/bytes.js';
import { openDescriptors } from '../../../helpers/descriptors.js';
import { digestOfBytes, digestOfFile } from '../../../helpers/digests.js';
import { errnoFrom } from '../../../helpers/errno.js';
import { temporaryStore, type TemporaryStore } from '../../../helpers/stores.js';
import { until } from '../../../src/process/site.js';
import { directoryOf, restartMachine, sealedStatesOn, statesOn, tamper } from './on-disk.js';
import { find, transfer, write } from './sessions.js';

const MIB = 1 << 20;
const ENDS = [4 * MIB, 8 * MIB, 16 * MIB];
const SIZE = 16 * MIB;
const content = seededBytes(SIZE + 100_000);
const rest = content.subarray(SIZE);
/** A byte that no sample looks at, between the first state and the second. */
const DAMAGED = 5 * MIB + 70_000;

interface Started {
  readonly opened: TemporaryStore;
  readonly ingests: Ingests;
  readonly ingest: Ingest;
  readonly directory: string;
  readonly digest: Digest;
  readonly events: StoreEvent[];
}

/** An ingest of 16 MiB with three states, after the machine was started anew; `change` is what happened to it then. */
async function started(t: ExecutionContext, change?: (directory: string) => void): Promise<Started> {
  const events: StoreEvent[] = [];
  const opened = await temporaryStore(t, { report: (event) => events.push(event) });
  await transfer(opened.store.ingests, content, ENDS);
  await opened.close();
  const directory = directoryOf(opened.root);
  t.deepEqual(statesOn(directory), ENDS);
  restartMachine(directory);
  change?.(directory);
  const { ingests } = await opened.reopen();
  const digest = await digestOfBytes(content);
  return { opened, ingests, ingest: await find(ingests), directory, digest, events };
}

function damage(directory: string): void {
  tamper(join(directory, 'data'), DAMAGED);
}

/** The boots that the states which may be trusted were saved in or reproduced in. */
function boots(directory: string): string[] {
  return [...new Set(sealedStatesOn(directory).map(({ seal }) => seal.boot))];
}

const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/** Appends what is missing and commits. */
async function resume(t: ExecutionContext, { ingests, ingest, digest, opened }: Started): Promise<void> {
  ingest.lock();
  await write(ingest, content.subarray(ingest.size), ingest.size);
  ingest.unlock();
  t.is(ingest.status.error, undefined);
  t.true(await ingests.commit(ingest, { digest }));
  t.is(await digestOfFile(opened.store.blobs.path(digest)), digest);
  t.deepEqual(fs.readdirSync(join(opened.root, 'ingest')), []);
}

test('appending goes on at once while what is there is read; then its states are trusted', async (t) => {
  const it = await started(t);
  const { ingest, directory, opened } = it;
  t.is(ingest.status.offset, 0, 'nothing is known yet');
  ingest.lock();
  await write(ingest, rest.subarray(0, 1000), SIZE);
  t.true(ingest.content.offset < SIZE);
  await until('all is hashed', () => ingest.content.offset === SIZE + 1000);
  await ingest.persist();
  t.deepEqual(boots(directory), [boot]);
  t.deepEqual(statesOn(directory), [...ENDS, SIZE + 1000]);
  ingest.unlock();
  await opened.close();
  damage(directory);
  const { ingests } = await opened.reopen();
  const again = await find(ingests);
  t.is(again.status.offset, SIZE + 1000);
  t.is(await again.prefixDigest(), await digestOfBytes(content.subarray(0, SIZE + 1000)), 'read no more');
});

test('where nothing was changed a commit reads all of it and succeeds', async (t) => {
  const it = await started(t);
  await resume(t, it);
  t.deepEqual(it.events, []);
});

test('a writer behind damaged bytes gets EIO, they are cut off, and the transfer goes on from there', async (t) => {
  const it = await started(t, damage);
  const { ingest, directory, events } = it;
  ingest.lock();
  let failure = 'OK';
  for (let at = SIZE; failure === 'OK' && at < 2 * SIZE; at++) {
    failure = await errnoFrom(() => write(ingest, Buffer.alloc(1), at));
    await setImmediate();
  }
  t.is(failure, 'EIO');
  await until('it is cut', () => ingest.size === 4 * MIB);
  await t.throwsAsync(ingest.write(rest, 4 * MIB), { code: 'INGEST_DAMAGED' }, 'in this session');
  t.regex(
    ingest.status.error ?? '',
    /x: bytes that were written are not there any more: expected 4194304 whole bytes/,
  );
  t.is(fs.statSync(join(directory, 'data')).size, 4 * MIB);
  t.deepEqual(statesOn(directory), [4 * MIB]);
  t.deepEqual(
    events.map(({ level, message }) => [level, message]),
    [['error', 'ingest damaged']],
  );
  ingest.unlock();
  t.not(ingest.status.error, undefined, 'until it is opened for writing again');
  await resume(t, it);
});

test('the damage is told by the next run as well, and by its list', async (t) => {
  const it = await started(t, damage);
  const { ingest, opened } = it;
  ingest.lock();
  await write(ingest, rest, SIZE);
  ingest.unlock();
  await until('it is cut', () => ingest.size === 4 * MIB);
  const { ingests } = await opened.reopen();
  const again = await find(ingests);
  t.regex(again.status.error ?? '', /bytes that were written are not there any more/);
  t.like(again.status, { size: 4 * MIB, offset: 4 * MIB });
  await resume(t, { ...it, ingests, ingest: again });
});

test('damage that is found after the writer has gone is cut off, and nothing stays open', async (t) => {
  const it = await started(t, damage);
  const { ingest, opened } = it;
  ingest.lock();
  await write(ingest, rest, SIZE);
  ingest.unlock();
  await ingest.settle();
  await until('it is cut', () => ingest.size === 4 * MIB);
  await until('it is closed', () => openDescriptors(join(opened.root, 'ingest')).length === 0);
  await resume(t, it);
});

test('a commit of damaged bytes is refused; then they are cut off', async (t) => {
  const it = await started(t, damage);
  const { ingest, ingests, directory, events } = it;
  const whole = await digestOfBytes(content.subarray(0, SIZE));
  t.is(await errnoFrom(() => ingests.commit(ingest, { digest: whole })), 'EBADMSG');
  await until('it is cut', () => ingest.size === 4 * MIB);
  t.deepEqual(statesOn(directory), [4 * MIB]);
  t.regex(ingest.status.error ?? '', /bytes that were written are not there any more/);
  t.is(events.length, 1);
  await resume(t, it);
});

test('damage below the first state leaves nothing', async (t) => {
  const it = await started(t, (directory) => tamper(join(directory, 'data'), 70_000));
  const { ingest, directory } = it;
  ingest.lock();
  await write(ingest, rest, SIZE);
  ingest.unlock();
  await until('it is cut', () => ingest.size === 0);
  t.deepEqual(statesOn(directory), []);
  await resume(t, it);
});

/** Longer than the content, and nowhere the same. */
const other = seededBytes(SIZE + 300_000, 2);

function writeFrom(ingest: Ingest, offset: number): Promise<void> {
  return write(ingest, other.subarray(offset), offset);
}

/** Ways of writing other bytes below a state than it has hashed: none of them is damage. */
const rewrites: Readonly<Record<string, (ingest: Ingest) => Promise<void>>> = {
  'all is written again from the start': (ingest) => writeFrom(ingest, 0),
  'it is written again piece by piece': async (ingest) => {
    for (let at = 0; at < other.length; at += 100_000)
      await write(ingest, other.subarray(at, at + 100_000), at);
  },
  'it is written again from between two states': (ingest) => writeFrom(ingest, 6 * MIB),
  'the last byte that a state has hashed is written again': (ingest) => writeFrom(ingest, 8 * MIB - 1),
  'it is cut between two states': async (ingest) => {
    await ingest.truncate(6 * MIB);
    await writeFrom(ingest, 6 * MIB);
  },
  'it is cut at a state': async (ingest) => {
    await ingest.truncate(8 * MIB);
    await writeFrom(ingest, 8 * MIB);
  },
  'it is written again while it is read': async (ingest) => {
    await write(ingest, rest, SIZE);
    await writeFrom(ingest, 6 * MIB);
  },
  'hashing is taken back and it is written from there': async (ingest) => {
    await ingest.content.resumeDigestAt(7 * MIB);
    await writeFrom(ingest, 7 * MIB);
  },
};

for (const [title, rewrite] of Object.entries(rewrites))
  test(`where ${title} nothing is taken for damage`, async (t) => {
    const { ingest, ingests, directory, events, opened } = await started(t);
    ingest.lock();
    await rewrite(ingest);
    await ingest.content.settled();
    await ingest.persist();
    ingest.unlock();
    t.deepEqual(events, []);
    t.is(ingest.status.error, undefined);
    t.is(ingest.size, other.length);
    const digest = await digestOfFile(join(directory, 'data'));
    t.true(await ingests.commit(ingest, { digest }));
    t.is(await digestOfFile(opened.store.blobs.path(digest)), digest);
  });

test('states of this boot are trusted, and those of an earlier one above them are reproduced from there', async (t) => {
  const it = await started(t);
  const { opened, directory } = it;
  await opened.close();
  // As a run that ended before it had read all of it leaves them.
  const lines = fs.readFileSync(`${directory}/checkpoints`, 'utf8').split('\n');
  const before = it.ingest;
  t.is(before.size, SIZE);
  const { ingests } = await opened.reopen();
  const ingest = await find(ingests);
  await ingest.content.resumeDigestAt(SIZE);
  await ingest.content.quiet();
  t.deepEqual(boots(directory), [boot]);
  const proven = fs.readFileSync(`${directory}/checkpoints`, 'utf8').split('\n');
  await opened.close();
  fs.writeFileSync(`${directory}/checkpoints`, [proven[0], ...lines.slice(1)].join('\n'));
  tamper(join(directory, 'data'), 70_000);
  const again = await find((await opened.reopen()).ingests);
  t.is(again.status.offset, 4 * MIB);
  await again.content.resumeDigestAt(SIZE);
  t.is(await again.prefixDigest(), await digestOfBytes(content.subarray(0, SIZE)));
  await again.content.quiet();
  t.deepEqual(boots(directory), [boot]);
});
