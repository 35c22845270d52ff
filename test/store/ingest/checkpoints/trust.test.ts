import fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Digest } from '../../../../store/digest.js';
import { encodeSeals, sealState } from '../../../../store/ingest/checkpoints/seal.js';
import type { StoreOptions } from '../../../../store/store.js';
import { seededBytes } from '../../../helpers/bytes.js';
import { digestOfBytes, digestOfFile } from '../../../helpers/digests.js';
import { errnoFrom } from '../../../helpers/errno.js';
import { temporaryStore, type TemporaryStore } from '../../../helpers/stores.js';
import { goStates } from '../../hasher/material.js';
import { directoryOf, reseal, sealsOn, statePath, statesOn, tamper } from './on-disk.js';
import { find, transfer, write } from './sessions.js';

const SIZE = 1 << 20;
const TOTAL = SIZE + 100_000;
/** A byte of the first MiB that its sample does not look at. */
const UNSEEN = 50_000;

interface Left {
  readonly opened: TemporaryStore;
  readonly directory: string;
  readonly content: Buffer;
  /** The digest of the content. */
  readonly written: Digest;
  /** That of what is on disk, and the rest of the content. */
  readonly changed: Digest;
}

/** An ingest of 1 MiB with a state that an earlier run of this boot has left, changed since where no sample looks. */
async function left(t: ExecutionContext, options: StoreOptions = {}, at = UNSEEN): Promise<Left> {
  const opened = await temporaryStore(t, options);
  const content = seededBytes(TOTAL);
  await transfer(opened.store.ingests, content, [SIZE]);
  await opened.close();
  const directory = directoryOf(opened.root);
  tamper(join(directory, 'data'), at);
  const other = Buffer.from(content);
  other.writeUInt8(other.readUInt8(at) ^ 0xff, at);
  return {
    opened,
    directory,
    content,
    written: await digestOfBytes(content),
    changed: await digestOfBytes(other),
  };
}

/** Opens the store again and appends what is missing. */
async function append({ opened, content }: Left): Promise<(digest: Digest) => Promise<string>> {
  const { ingests } = await opened.reopen();
  const ingest = await find(ingests);
  ingest.lock();
  await write(ingest, content.subarray(ingest.size), ingest.size);
  ingest.unlock();
  return (digest) => errnoFrom(() => ingests.commit(ingest, { digest }));
}

test('bytes below a state of this boot are not read again', async (t) => {
  const it = await left(t);
  const { ingests } = await it.opened.reopen();
  t.is((await find(ingests)).status.offset, SIZE, 'told before anything is read');
  const commit = await append(it);
  t.is(await commit(it.written), 'OK');
  t.is(await digestOfFile(it.opened.store.blobs.path(it.written)), it.changed, 'else they were read');
});

test('nobody is refused because of a state: before that, all bytes are read', async (t) => {
  const it = await left(t);
  const commit = await append(it);
  t.is(await commit(it.changed), 'OK');
  t.is(await digestOfFile(it.opened.store.blobs.path(it.changed)), it.changed);
});

test('a digest that neither the state nor the bytes lead to is refused, and the state is gone', async (t) => {
  const it = await left(t);
  const commit = await append(it);
  t.is(await commit(await digestOfBytes(seededBytes(5))), 'EBADMSG');
  t.false(statesOn(it.directory).includes(SIZE));
  t.is(await commit(it.written), 'EBADMSG');
  t.is(await commit(it.changed), 'OK');
});

test('with verify: always all bytes are read whatever the state says', async (t) => {
  const it = await left(t, { verify: 'always' });
  const commit = await append(it);
  const ingest = await find(it.opened.store.ingests);
  t.is(await commit(it.written), 'EBADMSG');
  t.regex(ingest.status.error ?? '', /digest|bytes/);
  t.is(await commit(it.changed), 'OK');
  t.is(await digestOfFile(it.opened.store.blobs.path(it.changed)), it.changed);
});

for (const [where, at] of [
  ['first byte', 0],
  ['last byte', SIZE - 1],
] as const)
  test(`a state is dropped where the sample shows other bytes: the ${where}`, async (t) => {
    const it = await left(t, {}, at);
    const commit = await append(it);
    t.is(await commit(it.written), 'EBADMSG');
    t.deepEqual(statesOn(it.directory), []);
    t.is(await commit(it.changed), 'OK');
  });

test('a file that is opened and closed without a write is not read', async (t) => {
  const it = await left(t);
  const ingest = await find((await it.opened.reopen()).ingests);
  ingest.lock();
  await ingest.open();
  ingest.unlock();
  await ingest.content.settled();
  t.is(ingest.content.offset, 0);
  t.is(ingest.status.offset, SIZE);
});

/** Replaces the state of the MiB by another one, with a seal that is right. */
function replaceState(directory: string, state: Buffer): void {
  fs.writeFileSync(statePath(directory, SIZE), state);
  reseal(directory, () => ({}));
}

function foreign(name: string): Buffer {
  return Buffer.from(goStates.foreign[name] ?? '', 'hex');
}

function goState(algorithm: string, size: number): Buffer {
  const vector = goStates.vectors.find((vector) => vector.algorithm === algorithm && vector.length === size);
  return Buffer.from(vector?.state ?? '', 'hex');
}

/** The first `length` bytes of a file. */
function cut(path: string, length: number): void {
  fs.truncateSync(path, length);
}

const seals = (directory: string): string => `${directory}/checkpoints`;
const state = (directory: string): string => statePath(directory, SIZE);

/** What may have happened to the state since: each time it must not be trusted. */
const damages: Readonly<Record<string, (directory: string) => void>> = {
  'the data is in another inode': (directory) => {
    fs.copyFileSync(`${directory}/data`, `${directory}/copy`);
    fs.renameSync(`${directory}/copy`, `${directory}/data`);
  },
  'the seals are gone': (directory) => fs.rmSync(seals(directory)),
  'the seals are empty': (directory) => cut(seals(directory), 0),
  'the seals are zeros': (directory) => fs.writeFileSync(seals(directory), Buffer.alloc(300)),
  'there is a directory in place of the seals': (directory) => {
    fs.rmSync(seals(directory));
    fs.mkdirSync(seals(directory));
  },
  'the seal is of a later version': (directory) => {
    const [seal] = sealsOn(directory);
    fs.writeFileSync(seals(directory), JSON.stringify({ ...seal, version: 2 }));
  },
  'the seal is of another state': (directory) => {
    const [seal] = sealsOn(directory);
    if (seal) fs.writeFileSync(seals(directory), encodeSeals([sealState(seal, Buffer.alloc(108))]));
  },
  'the seal is of another algorithm': (directory) => {
    const text = fs.readFileSync(seals(directory), 'utf8');
    fs.writeFileSync(seals(directory), text.replace('sha256', 'sha512'));
  },
  'the seal is of another offset': (directory) => {
    fs.renameSync(state(directory), statePath(directory, SIZE - 64));
    const text = fs.readFileSync(seals(directory), 'utf8');
    fs.writeFileSync(seals(directory), text.replace(`"offset":${SIZE}`, `"offset":${SIZE - 64}`));
  },
  'a state that counts other bytes is under the name': (directory) =>
    replaceState(directory, goState('sha256', (1 << 20) + 1)),
  'the state is empty': (directory) => cut(state(directory), 0),
  'the state is short': (directory) => cut(state(directory), 107),
  'the state is long': (directory) => fs.appendFileSync(state(directory), '\0'),
  'the state is gone': (directory) => fs.rmSync(state(directory)),
  'there is a directory in place of the state': (directory) => {
    fs.rmSync(state(directory));
    fs.mkdirSync(`${state(directory)}/deep`, { recursive: true });
  },
  'a state of sha512 is under the name': (directory) => replaceState(directory, goState('sha512', 1025)),
  'a state of sha224 is under the name': (directory) => replaceState(directory, foreign('sha224')),
  'a state of sha384 is under the name': (directory) => replaceState(directory, foreign('sha384')),
  'an empty state with a right seal is under the name': (directory) =>
    replaceState(directory, Buffer.alloc(0)),
};

for (const [title, damage] of Object.entries(damages))
  test(`where ${title} it is dropped, and the digest is that of the bytes`, async (t) => {
    const it = await left(t);
    damage(it.directory);
    const commit = await append(it);
    const ingest = await find(it.opened.store.ingests);
    t.is(await ingest.prefixDigest(), it.changed);
    t.is(await commit(it.written), 'EBADMSG');
    t.false(statesOn(it.directory).some((offset) => offset <= SIZE));
    t.is(await commit(it.changed), 'OK');
    t.is(await digestOfFile(it.opened.store.blobs.path(it.changed)), it.changed);
    t.deepEqual(fs.readdirSync(join(it.opened.root, 'ingest')), []);
  });

test('a state beyond the end of the file is dropped', async (t) => {
  const it = await left(t);
  fs.truncateSync(join(it.directory, 'data'), SIZE - 1);
  const { ingests } = await it.opened.reopen();
  const ingest = await find(ingests);
  t.is(ingest.status.offset, 0);
  const commit = await append(it);
  t.deepEqual(statesOn(it.directory), []);
  t.is(await commit(it.written), 'EBADMSG');
  t.is(await commit(it.changed), 'OK');
});

test('a seal torn at any place is not believed', async (t) => {
  const opened = await temporaryStore(t);
  const content = seededBytes(5000);
  await transfer(opened.store.ingests, content, [5000]);
  await opened.close();
  const directory = directoryOf(opened.root);
  const text = fs.readFileSync(seals(directory), 'utf8');
  const stateBytes = fs.readFileSync(statePath(directory, 5000));
  tamper(join(directory, 'data'), 0);
  for (let length = 0; length < text.length - 1; length += 7) {
    fs.writeFileSync(seals(directory), text.slice(0, length));
    fs.writeFileSync(statePath(directory, 5000), stateBytes);
    const { ingests } = await opened.reopen();
    const ingest = await find(ingests);
    await ingest.content.resume();
    t.is(ingest.content.offset, 0, `${length} bytes of ${text.length}`);
    await opened.close();
    t.deepEqual(statesOn(directory), []);
  }
});

test('states of other algorithms are removed: nobody looks after them', async (t) => {
  const it = await left(t);
  for (const name of ['sha512', 'blake3', 'md5', '..x']) {
    fs.mkdirSync(join(it.directory, 'hashstates', name), { recursive: true });
    fs.copyFileSync(statePath(it.directory, SIZE), join(it.directory, 'hashstates', name, `${SIZE}`));
  }
  const commit = await append(it);
  t.deepEqual(fs.readdirSync(join(it.directory, 'hashstates')), ['sha256']);
  t.is(await commit(it.written), 'OK');
});

test('a commit by another algorithm than the states are of reads all bytes', async (t) => {
  const it = await left(t);
  const commit = await append(it);
  t.is(await commit(await digestOfBytes(it.content, 'sha512')), 'EBADMSG');
  const onDisk = fs.readFileSync(join(it.directory, 'data'));
  t.is(await commit(await digestOfBytes(onDisk, 'sha512')), 'OK');
});
