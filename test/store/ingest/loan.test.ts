import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { parseDigest } from '../../../store/digest.js';
import type { Ingest } from '../../../store/ingest/ingest.js';
import { lend as lendTo } from '../../../store/ingest/loan.js';
import { parseRef } from '../../../store/ref.js';
import { pushIngest } from '../../../store/stacks/push.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfFile } from '../../helpers/digests.js';
import { type TemporaryStore, temporaryStore } from '../../helpers/stores.js';

const SIZE = 300_007;
const WRONG = parseDigest(`sha256:${'0'.repeat(64)}`);

interface Lent {
  readonly ingest: Ingest;
  /** What the kernel would write with, without us. */
  readonly writer: number;
}

/** A new ingest whose file is lent, and a descriptor of its borrower. */
async function lend({ store }: TemporaryStore, name = '/temporary'): Promise<Lent> {
  const ingest = await store.ingests.create(parseRef(name), 'sha256');
  const descriptor = lendTo(ingest);
  if (descriptor === undefined) throw new Error('it is not lent');
  // The file is 0444, which stops nobody but root, and root has no need.
  fs.fchmodSync(descriptor, 0o644);
  const writer = fs.openSync(`/proc/self/fd/${descriptor}`, 'r+');
  fs.fchmodSync(descriptor, 0o444);
  return { ingest, writer };
}

function blobOf(t: ExecutionContext, { root }: TemporaryStore, hex: string): string {
  const path = `${root}/blobs/sha256/${hex}`;
  t.is(fs.statSync(path).mode & 0o777, 0o444);
  return path;
}

test('what is written without us is seen, and committed under its digest alone', async (t) => {
  const temporary = await temporaryStore(t);
  const { ingests } = temporary.store;
  const { ingest, writer } = await lend(temporary);
  const bytes = seededBytes(SIZE, 1);
  fs.writeSync(writer, bytes, 0, SIZE, 0);
  t.is(ingest.size, SIZE);
  t.is(ingest.status.size, SIZE);
  t.is(ingest.status.offset, 0);
  const digest = await digestOfFile(ingest.record.data);
  await ingest.persist();
  // After the sync, and below its end.
  fs.writeSync(writer, bytes, 5, 1000, 5);
  fs.closeSync(writer);
  ingest.unlock();
  await t.throwsAsync(ingests.commit(ingest, { digest: WRONG }), { code: 'DIGEST_MISMATCH' });
  t.is(ingest.size, SIZE);
  t.true(await ingests.commit(ingest, { digest }));
  t.is(await digestOfFile(blobOf(t, temporary, digest.slice(7))), digest);
});

test('who goes on writing after the commit writes into nothing', async (t) => {
  const temporary = await temporaryStore(t);
  const { ingest, writer } = await lend(temporary);
  fs.writeSync(writer, seededBytes(SIZE, 2), 0, SIZE, 0);
  const digest = await digestOfFile(ingest.record.data);
  t.true(await temporary.store.ingests.commit(ingest, { digest }));
  fs.writeSync(writer, 'EVIL', 0);
  fs.ftruncateSync(writer, 10);
  fs.closeSync(writer);
  ingest.unlock();
  const blob = blobOf(t, temporary, digest.slice(7));
  t.is(await digestOfFile(blob), digest);
  t.is(fs.statSync(blob).size, SIZE);
  t.deepEqual(fs.readdirSync(`${temporary.root}/fresh`), []);
});

test('a commit that is refused while it is being written costs the writer nothing', async (t) => {
  const temporary = await temporaryStore(t);
  const { ingests } = temporary.store;
  const { ingest, writer } = await lend(temporary);
  const bytes = seededBytes(SIZE, 3);
  fs.writeSync(writer, bytes, 0, 1000, 0);
  await t.throwsAsync(ingests.commit(ingest, { digest: WRONG }), { code: 'DIGEST_MISMATCH' });
  fs.writeSync(writer, bytes, 1000, SIZE - 1000, 1000);
  fs.closeSync(writer);
  ingest.unlock();
  const digest = await digestOfFile(ingest.record.data);
  t.true(await ingests.commit(ingest, { digest }));
  const stored = fs.readFileSync(blobOf(t, temporary, digest.slice(7)));
  t.is(Buffer.compare(stored, bytes), 0);
});

test('the copy of a file that is still written is verified too', async (t) => {
  const temporary = await temporaryStore(t);
  const { ingests } = temporary.store;
  const { ingest, writer } = await lend(temporary);
  fs.writeSync(writer, seededBytes(SIZE, 4), 0, SIZE, 0);
  const digest = await digestOfFile(ingest.record.data);
  const verified = ingest.digest.bind(ingest);
  ingest.digest = async (...args) => {
    const found = await verified(...args);
    fs.writeSync(writer, 'EVIL', 7);
    return found;
  };
  await t.throwsAsync(ingests.commit(ingest, { digest }), { code: 'DIGEST_MISMATCH' });
  t.false(fs.existsSync(`${temporary.root}/blobs/sha256/${digest.slice(7)}`));
  t.is(fs.readdirSync(`${temporary.root}/fresh`).length, 1);
  // The writer goes on in the same file.
  const rest = seededBytes(SIZE, 7);
  fs.writeSync(writer, rest, 0, SIZE, 0);
  fs.closeSync(writer);
  ingest.unlock();
  ingest.digest = verified;
  const right = await digestOfFile(ingest.record.data);
  t.true(await ingests.commit(ingest, { digest: right }));
  t.is(Buffer.compare(fs.readFileSync(blobOf(t, temporary, right.slice(7))), rest), 0);
});

test('what is still written cannot be moved to where it would be resumed, linked or made a layer', async (t) => {
  const temporary = await temporaryStore(t);
  const { ingests } = temporary.store;
  const { ingest, writer } = await lend(temporary);
  fs.writeSync(writer, seededBytes(SIZE, 8), 0, SIZE, 0);
  const digest = await digestOfFile(ingest.record.data);
  const busy = { code: 'INGEST_BUSY' };
  await t.throwsAsync(ingests.rename(ingest, parseRef('kept')), busy);
  await t.throwsAsync(ingests.commit(ingest, { digest, keep: true }), busy);
  await t.throwsAsync(pushIngest(temporary.store, 'stack', ingest), busy);
  await ingests.rename(ingest, parseRef('/other'));
  fs.closeSync(writer);
  ingest.unlock();
  await ingests.rename(ingest, parseRef('kept'));
  t.true(await ingests.commit(ingest, { digest, keep: true }));
  t.is(await digestOfFile(blobOf(t, temporary, digest.slice(7))), digest);
});

test('only new files outside ingest/ are lent', async (t) => {
  const { ingests } = (await temporaryStore(t)).store;
  const resumable = await ingests.create(parseRef('x'), 'sha256');
  t.is(lendTo(resumable), undefined);
  resumable.unlock();
  const written = await ingests.create(parseRef('/written'), 'sha256');
  await written.write(Buffer.from('bytes'), 0);
  t.is(lendTo(written), undefined);
  const removed = await ingests.create(parseRef('/removed'), 'sha256');
  await ingests.remove(removed);
  t.is(lendTo(removed), undefined);
  removed.unlock();
  written.unlock();
});

test('a writer that outlives a run is found by the next one', async (t) => {
  const temporary = await temporaryStore(t);
  const { ingest, writer } = await lend(temporary);
  fs.writeSync(writer, seededBytes(SIZE, 5), 0, SIZE, 0);
  await temporary.store.ingests.rename(ingest, parseRef('/kept'));
  const digest = await digestOfFile(ingest.record.data);
  ingest.unlock();
  const { ingests } = await temporary.reopen();
  const found = await ingests.find(parseRef('/kept'));
  if (found === undefined) throw new Error('the ingest is not there');
  t.is(found.size, SIZE);
  t.is((await found.reached())?.offset, 0);
  t.true(await ingests.commit(found, { digest }));
  fs.writeSync(writer, 'EVIL', 0);
  fs.closeSync(writer);
  t.is(await digestOfFile(blobOf(t, temporary, digest.slice(7))), digest);
});

test('one that nobody writes any more is hashed like others, and can be written and resumed', async (t) => {
  const temporary = await temporaryStore(t);
  const { ingest, writer } = await lend(temporary, '/resumed');
  const bytes = seededBytes(SIZE, 6);
  fs.writeSync(writer, bytes, 0, 200_000, 0);
  fs.closeSync(writer);
  ingest.unlock();
  t.timeout(60_000);
  while (ingest.status.offset < 200_000) await sleep(5);
  ingest.lock();
  await ingest.write(bytes.subarray(200_000), 200_000);
  ingest.unlock();
  const digest = await digestOfFile(ingest.record.data);
  const { ingests } = await temporary.reopen();
  const found = await ingests.find(parseRef('/resumed'));
  if (found === undefined) throw new Error('the ingest is not there');
  t.is((await found.reached())?.digest, digest);
  t.true(await ingests.commit(found, { digest }));
  t.is(Buffer.compare(fs.readFileSync(blobOf(t, temporary, digest.slice(7))), bytes), 0);
});
