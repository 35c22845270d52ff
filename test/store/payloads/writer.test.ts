import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import test from 'ava';
import { seededBytes } from '../../helpers/bytes.js';
import { openDescriptors } from '../../helpers/descriptors.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { PayloadStore, sha256 } from './tools.js';

const KIB = 1 << 10;
const SIZES = [1, 511, 128 * KIB - 1, 64 * KIB, 100 * KIB, 4096 * KIB, 4096 * KIB + 1, 9000 * KIB, 0, 7];

test('small payloads are in the pack in the order of the tar, others are files named by their digests', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const contents = SIZES.map((size, seed) => seededBytes(size, seed + 1));
  const { set, payloads, rows, used, stored, shared } = await store.put(contents, 100_000);
  t.deepEqual(
    payloads.map(({ digest }) => digest.toString('hex')),
    contents.map(sha256),
  );
  const packed = contents.filter(({ length }) => length < 128 * KIB);
  t.deepEqual(fs.readFileSync(store.path(set ?? '', 'pack')), Buffer.concat(packed));
  const own = contents.filter(({ length }) => length >= 128 * KIB);
  t.deepEqual(store.names(set ?? ''), [...own.map(sha256), 'pack'].sort());
  const digests = execFileSync('sha256sum', own.map(sha256), { cwd: store.path(set ?? '') }).toString();
  t.deepEqual(
    digests.trim().split('\n'),
    own.map((content) => `${sha256(content)}  ${sha256(content)}`),
  );
  t.is([...rows].length, contents.length);
  t.deepEqual([stored, shared, used.size], [SIZES.reduce((a, b) => a + b), 0, 0]);
  t.is(fs.statSync(store.path(set ?? '')).mode & 0o777, 0o700);
  for (const name of store.names(set ?? ''))
    t.is(fs.statSync(store.path(set ?? '', name)).mode & 0o777, 0o600);
});

test('content that an earlier set has is not stored again', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const contents = SIZES.map((size, seed) => seededBytes(size, seed + 1));
  const first = await store.put(contents);
  const again = await store.put(contents);
  t.deepEqual(again.payloads, first.payloads);
  t.deepEqual([again.set, [...again.rows], [...again.used]], [undefined, [], [first.set]]);
  t.deepEqual([again.stored, again.shared], [0, first.stored]);
  t.deepEqual(store.names(), [first.set]);

  const more = [seededBytes(10, 99), ...contents, seededBytes(20, 98), seededBytes(5000 * KIB, 97)];
  const third = await store.put(more);
  t.deepEqual(third.payloads.slice(1, -2), first.payloads);
  t.is([...third.rows].length, 3);
  t.deepEqual(third.payloads[0]?.location, { set: third.set, offset: 0 });
  t.deepEqual(third.payloads.at(-2)?.location, { set: third.set, offset: 10 });
  t.deepEqual(store.names(third.set ?? ''), [sha256(seededBytes(5000 * KIB, 97)), 'pack'].sort());
});

test('content that occurs again in the same tar is stored once', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const [small, medium, large] = [100, 200 * KIB, 5000 * KIB].map((size) => seededBytes(size));
  const contents = [small, medium, large, large, medium, small, small].map(
    (content) => content ?? Buffer.of(),
  );
  const { payloads, stored, shared, rows, set } = await store.put(contents);
  t.deepEqual(payloads[5], payloads[0]);
  t.deepEqual(payloads[4], payloads[1]);
  t.deepEqual(payloads[3], payloads[2]);
  t.is([...rows].length, 3);
  t.deepEqual([stored, shared], [5200 * KIB + 100, 5200 * KIB + 200]);
  t.is(store.names(set ?? '').length, 3);
});

test('small payloads are looked up together', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const contents = Array.from({ length: 2000 }, (_, seed) => seededBytes(1000, seed + 1));
  await store.put(contents);
  t.deepEqual(store.rows.asked, [512, 512, 512, 464]);
  const large = Array.from({ length: 40 }, (_, seed) => seededBytes(60 * KIB, seed + 5000));
  await store.put(large);
  t.deepEqual(store.rows.asked.slice(4), [17, 17, 6]);
});

test('a registration without content makes no directory', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const { set, rows } = await store.put([]);
  t.deepEqual([set, [...rows]], [undefined, []]);
  t.deepEqual(fs.readdirSync(store.root), []);
});

test('payloads become known in the middle of a tar', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const writer = store.writer();
  writer.begin(3);
  writer.data(Buffer.from('abc'));
  const pending = writer.end();
  t.is(pending.payload, undefined);
  await writer.settle();
  // FIPS 180-2, appendix B.1.
  const digest = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  t.is(pending.payload?.digest.toString('hex'), digest);
  writer.begin(2);
  t.throws(() => writer.data(Buffer.from('abc')), { instanceOf: RangeError });
  await writer.discard();
});

test('an error of the index is that of the writer, and nothing is left', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const [small, large] = [seededBytes(100), seededBytes(9000 * KIB)];
  for (const content of [small, large]) {
    const writer = store.writer();
    store.rows.getMany = () => Promise.reject(new Error('no rows today'));
    writer.begin(content.length);
    writer.data(content);
    const pending = writer.end();
    await t.throwsAsync(writer.settle(), { message: 'no rows today' });
    await t.throwsAsync(writer.drain(), { message: 'no rows today' });
    // What comes meanwhile is taken and dropped.
    writer.begin(content.length);
    writer.data(content);
    t.is(writer.end().payload, undefined);
    await t.throwsAsync(writer.finish(), { message: 'no rows today' });
    await writer.discard();
    t.is(pending.payload, undefined);
    t.deepEqual(fs.existsSync(store.path()) ? store.names() : [], []);
    t.deepEqual(openDescriptors(store.root), []);
  }
});

test('what was given up in the middle of a payload leaves nothing', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const writer = store.writer();
  writer.begin(100);
  writer.data(seededBytes(100));
  writer.end();
  await writer.settle();
  writer.begin(9000 * KIB);
  writer.data(seededBytes(8000 * KIB));
  await writer.drain();
  await writer.discard();
  t.deepEqual(store.names(), []);
  t.deepEqual(openDescriptors(store.root), []);
});

test.serial('memory does not grow with the input', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const before = process.memoryUsage().arrayBuffers;
  const writer = store.writer();
  const content = seededBytes(1 << 20);
  let most = 0;
  writer.begin(200 << 20);
  for (let chunk = 0; chunk < 200; chunk++) {
    content.writeUInt32LE(chunk);
    writer.data(content);
    await writer.drain();
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  const pending = writer.end();
  await writer.finish();
  t.is(pending.payload?.size, 200 << 20);
  t.true(most < 24 << 20, `${most} bytes`);
});
