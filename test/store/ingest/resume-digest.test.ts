import fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Digest, parseDigest } from '../../../store/digest.js';
import type { Ingest } from '../../../store/ingest/ingest.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes } from '../../helpers/digests.js';
import { errnoFrom } from '../../helpers/errno.js';
import { temporaryStore, type TemporaryStore } from '../../helpers/stores.js';
import { directoryOf, restartMachine, statesOn, tamper } from './checkpoints/on-disk.js';
import { find, transfer, write } from './checkpoints/sessions.js';

/*
 * The semantics of resumeDigestAt of the Docker distribution: the state at the offset, else the highest below it, else
 * none; those above are deleted; the bytes between are hashed. Where its code falls short of its comment, the comment
 * holds: an exact match does not end the search for states to delete, and no name counts as 0.
 */

const MIB = 1 << 20;
const SIZE = 3 * MIB;
const ENDS = [MIB, 2 * MIB, SIZE];
/** A byte in each MiB that no sample of a state's bytes looks at. */
const UNSEEN = [0, 1, 2].map((index) => index * MIB + 50_000);

interface Saved {
  readonly opened: TemporaryStore;
  readonly ingest: Ingest;
  readonly content: Buffer;
  readonly directory: string;
}

/** An ingest of 3 MiB that an earlier run has left with a state after each MiB. */
async function saved(t: ExecutionContext, change?: (directory: string) => void): Promise<Saved> {
  const opened = await temporaryStore(t);
  const content = seededBytes(SIZE);
  await transfer(opened.store.ingests, content, ENDS);
  await opened.close();
  const directory = directoryOf(opened.root);
  change?.(directory);
  const store = await opened.reopen();
  const ingest = await find(store.ingests);
  ingest.lock();
  t.teardown(() => ingest.unlock());
  return { opened, ingest, content, directory };
}

/** Changes bytes that a hash must read anew to see. */
function tamperUnseen(directory: string): void {
  for (const at of UNSEEN) tamper(join(directory, 'data'), at);
}

/** The digest of the first `length` bytes that are in the file now. */
function digestOnDisk(directory: string, length: number): Promise<Digest> {
  return digestOfBytes(fs.readFileSync(join(directory, 'data')).subarray(0, length));
}

test('where a state is at the offset, it is what hashing goes on from, and all above it go', async (t) => {
  const { ingest, content, directory } = await saved(t, tamperUnseen);
  await ingest.content.resumeDigestAt(MIB);
  t.is(ingest.content.offset, MIB);
  t.is(await ingest.prefixDigest(), await digestOfBytes(content.subarray(0, MIB)), 'nothing is read again');
  t.deepEqual(statesOn(directory), [MIB]);
});

test('the state that is nearest below the offset is used, and the bytes after it are read', async (t) => {
  const { ingest, content, directory } = await saved(t, tamperUnseen);
  await ingest.content.resumeDigestAt(2 * MIB + 100_000);
  t.is(ingest.content.offset, 2 * MIB + 100_000);
  t.deepEqual(statesOn(directory), [MIB, 2 * MIB]);
  const onDisk = fs.readFileSync(join(directory, 'data'));
  const mixed = Buffer.concat([content.subarray(0, 2 * MIB), onDisk.subarray(2 * MIB, 2 * MIB + 100_000)]);
  t.is(await ingest.prefixDigest(), await digestOfBytes(mixed));
});

test('below all states the bytes are read from the start, and no state is left', async (t) => {
  const { ingest, directory } = await saved(t, tamperUnseen);
  await ingest.content.resumeDigestAt(MIB - 1);
  t.is(await ingest.prefixDigest(), await digestOnDisk(directory, MIB - 1));
  t.deepEqual(statesOn(directory), []);
});

test('without any state the bytes are read from the start', async (t) => {
  const { ingest, directory } = await saved(t, (directory) =>
    fs.rmSync(`${directory}/hashstates`, { recursive: true }),
  );
  await ingest.content.resumeDigestAt(MIB);
  t.is(ingest.content.offset, MIB);
  t.is(await ingest.prefixDigest(), await digestOnDisk(directory, MIB));
});

test('at 0 hashing begins anew', async (t) => {
  const { ingest, directory } = await saved(t);
  await ingest.content.resumeDigestAt(0);
  t.is(ingest.content.offset, 0);
  t.is(await ingest.prefixDigest(), await digestOfBytes(Buffer.alloc(0)));
  t.deepEqual(statesOn(directory), []);
});

test('at the end of what is there nothing is read, and nothing goes', async (t) => {
  const { ingest, content, directory } = await saved(t, tamperUnseen);
  for (let time = 0; time < 2; time++) {
    await ingest.content.resumeDigestAt(SIZE);
    t.is(await ingest.prefixDigest(), await digestOfBytes(content));
  }
  t.deepEqual(statesOn(directory), ENDS);
});

test('what is no offset in the file is refused, and changes nothing', async (t) => {
  const { ingest, content, directory } = await saved(t);
  for (const offset of [-1, -0.5, 0.5, MIB + 0.5, SIZE + 1, 2 ** 53, Infinity, -Infinity, NaN]) {
    await t.throwsAsync(ingest.content.resumeDigestAt(offset), { code: 'OFFSET_INVALID' }, `${offset}`);
    t.is(await errnoFrom(() => ingest.content.resumeDigestAt(offset)), 'EINVAL');
  }
  t.is(await ingest.prefixDigest(), await digestOfBytes(content));
  t.deepEqual(statesOn(directory), ENDS);
});

test('a name that is no decimal number is no state: none is read as octal or as 0, none is removed', async (t) => {
  // 010000000 is 2 MiB and 0x100000 is 1 MiB in Go's base 0; a name that cannot be read counts as 0 there.
  const names = ['010000000', '0x100000', '+1048576', '1e6', 'x'];
  const { ingest, content, directory } = await saved(t, (directory) => {
    for (const name of names)
      fs.copyFileSync(`${directory}/hashstates/sha256/${SIZE}`, `${directory}/hashstates/sha256/${name}`);
  });
  await ingest.content.resumeDigestAt(2 * MIB + 5);
  t.is(await ingest.prefixDigest(), await digestOfBytes(content.subarray(0, 2 * MIB + 5)));
  await ingest.content.resumeDigestAt(5);
  t.is(await ingest.prefixDigest(), await digestOfBytes(content.subarray(0, 5)));
  t.deepEqual(fs.readdirSync(`${directory}/hashstates/sha256`).sort(), [...names].sort());
});

test('a file that ends before the offset is an error, and does no lasting harm', async (t) => {
  const { ingest, content, directory } = await saved(t, (directory) => fs.rmSync(`${directory}/checkpoints`));
  fs.truncateSync(`${directory}/data`, 1000);
  await t.throwsAsync(ingest.content.resumeDigestAt(2000), { message: /the file ends/ });
  await ingest.content.resumeDigestAt(500);
  t.is(await ingest.prefixDigest(), await digestOfBytes(content.subarray(0, 500)));
});

test('writing goes on at the offset, whatever was there', async (t) => {
  const { opened, ingest, content, directory } = await saved(t);
  const other = Buffer.concat([content.subarray(0, 2 * MIB), seededBytes(MIB + 10, 2)]);
  await ingest.content.resumeDigestAt(2 * MIB);
  await write(ingest, other.subarray(2 * MIB), 2 * MIB);
  t.is(ingest.content.offset, other.length);
  await ingest.persist();
  t.deepEqual(statesOn(directory), [MIB, 2 * MIB, other.length]);
  const digest = await digestOfBytes(other);
  await t.throwsAsync(opened.store.ingests.commit(ingest, { digest: await digestOfBytes(content) }));
  t.true(await opened.store.ingests.commit(ingest, { digest }));
});

test('back and forth, the digest is always that of the bytes up to there', async (t) => {
  const { ingest, content, directory } = await saved(t);
  for (const offset of [SIZE, 2 * MIB, 2 * MIB + 1, MIB, SIZE, MIB - 1, 64, 2 * MIB, 0, 1, SIZE]) {
    await ingest.content.resumeDigestAt(offset);
    t.is(ingest.content.offset, offset);
    t.is(await ingest.prefixDigest(), await digestOfBytes(content.subarray(0, offset)), `at ${offset}`);
  }
  t.deepEqual(statesOn(directory), []);
});

test('a state of another boot is not used for it before the bytes have reproduced it', async (t) => {
  const { ingest, directory } = await saved(t, (directory) => {
    restartMachine(directory);
    tamper(join(directory, 'data'), MIB + 50_000);
  });
  await ingest.content.resumeDigestAt(MIB + 10);
  t.is(await ingest.prefixDigest(), await digestOnDisk(directory, MIB + 10));
  t.deepEqual(statesOn(directory), [MIB]);
});

test('states of an ingest with a declared sha512 are used as those of sha256 are', async (t) => {
  const opened = await temporaryStore(t);
  const content = seededBytes(SIZE);
  const ingest = await transfer(opened.store.ingests, content, ENDS, { algorithm: 'sha512' });
  await ingest.expect({ expected: parseDigest(`sha512:${'0'.repeat(128)}`) });
  await opened.close();
  const directory = directoryOf(opened.root);
  tamperUnseen(directory);
  const found = await find((await opened.reopen()).ingests);
  found.lock();
  await found.content.resumeDigestAt(2 * MIB);
  t.is(await found.prefixDigest(), await digestOfBytes(content.subarray(0, 2 * MIB), 'sha512'));
  t.deepEqual(statesOn(directory, 'sha512'), [MIB, 2 * MIB]);
  found.unlock();
});
