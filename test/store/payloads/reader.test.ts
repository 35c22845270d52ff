import fs from 'node:fs';
import test from 'ava';
import { isCasError } from '../../../store/errors.js';
import { Descriptors } from '../../../store/payloads/descriptors.js';
import { decodeStored, encodeStored } from '../../../store/payloads/row.js';
import type { Payload } from '../../../store/payloads/location.js';
import { PayloadReader } from '../../../store/payloads/reader.js';
import { seededBytes } from '../../helpers/bytes.js';
import { openDescriptors } from '../../helpers/descriptors.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { known, PayloadStore, sha256 } from './tools.js';

const at = (payloads: Payload[], number: number): Payload => known(payloads[number]);

test('a payload is read from anywhere', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const contents = [1000, 300_000, 20_000].map((size, seed) => seededBytes(size, seed + 1));
  const { payloads } = await store.put(contents);
  const reader = new PayloadReader(store.root);
  for (const [number, content] of contents.entries()) {
    for (const [offset, length] of [
      [0, content.length],
      [0, 1 << 20],
      [10, 100],
      [content.length - 5, 10],
    ] as const) {
      const into = Buffer.alloc(length);
      const size = await reader.read(at(payloads, number), into, offset);
      t.deepEqual(into.subarray(0, size), content.subarray(offset, offset + length));
    }
    for (const offset of [content.length, content.length + 1])
      t.is(await reader.read(at(payloads, number), Buffer.alloc(10), offset), 0);
  }
  await reader.close();
  t.deepEqual(openDescriptors(store.root), []);
});

test('many small payloads are read with one call, more than the kernel takes at a time', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const contents = Array.from({ length: 2500 }, (_, seed) => seededBytes(20 + (seed % 7), seed + 1));
  const { payloads } = await store.put(contents);
  const reader = new PayloadReader(store.root);
  const into = contents.map(({ length }) => Buffer.alloc(length));
  await reader.readRun(at(payloads, 0), 0, into);
  t.deepEqual(into, contents);
  const more = [...into, Buffer.alloc(1)];
  await t.throwsAsync(reader.readRun(at(payloads, 0), 0, more), { code: 'LAYER_DAMAGED' });
  await reader.close();
});

test('a flipped bit of a packed payload is found when it is read whole', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const { payloads, set } = await store.put([seededBytes(1000, 1), seededBytes(2000, 2)]);
  const pack = store.path(set ?? '', 'pack');
  const bytes = fs.readFileSync(pack);
  bytes[1500] = (bytes[1500] ?? 0) ^ 1;
  fs.writeFileSync(pack, bytes);
  const reader = new PayloadReader(store.root);
  t.is(await reader.read(at(payloads, 0), Buffer.alloc(1000), 0), 1000);
  await t.throwsAsync(async () => reader.read(at(payloads, 1), Buffer.alloc(2000), 0), {
    code: 'LAYER_DAMAGED',
    message: new RegExp(`^sha256:${sha256(seededBytes(2000, 2))}: .*found sha256:`),
  });
  await reader.close();
});

test('what is missing is damage: bytes at the end, or a file', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const { payloads, set } = await store.put([seededBytes(1000, 1), seededBytes(200_000, 2)]);
  const [pack, own] = [store.path(set ?? '', 'pack'), store.path(set ?? '', sha256(seededBytes(200_000, 2)))];
  fs.truncateSync(pack, 999);
  fs.truncateSync(own, 199_999);
  const reader = new PayloadReader(store.root);
  const failures = async (): Promise<void> => {
    for (const payload of payloads) {
      const error = await t.throwsAsync(async () => reader.read(payload, Buffer.alloc(300_000), 0));
      t.true(isCasError(error, 'LAYER_DAMAGED') && error.errno === 'EIO');
      t.true(
        isCasError(error, 'LAYER_DAMAGED') && error.subject === `sha256:${payload.digest.toString('hex')}`,
      );
    }
    await t.throwsAsync(reader.open(at(payloads, 1)), { code: 'LAYER_DAMAGED' });
  };
  await failures();
  await reader.forget(set ?? '');
  t.deepEqual(openDescriptors(store.root), []);
  fs.rmSync(store.path(set ?? ''), { recursive: true });
  await failures();
  await reader.close();
});

test('a descriptor of its own is given for a payload that is a file', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const { payloads } = await store.put([seededBytes(1000, 1), seededBytes(200_000, 2)]);
  const reader = new PayloadReader(store.root);
  t.is(await reader.open(at(payloads, 0)), undefined);
  const fd = await reader.open(at(payloads, 1));
  await reader.close();
  t.deepEqual(fs.readFileSync(fd ?? -1), seededBytes(200_000, 2));
  fs.closeSync(fd ?? -1);
});

test('few descriptors serve many readers at once, and none is closed while it is read', async (t) => {
  const directory = temporaryDirectory(t);
  const names = Array.from({ length: 40 }, (_, number) => `${directory}/${number}`);
  for (const name of names) fs.writeFileSync(name, name);
  const descriptors = new Descriptors(5);
  let most = 0;
  const reads = Array.from({ length: 2000 }, async (_, number) => {
    const name = names[(number * 7 + (number >> 4)) % names.length] ?? '';
    const found = await descriptors.use(name, async (fd) => {
      if (number % 50 === 0) {
        most = Math.max(most, openDescriptors(directory).length);
        await descriptors.forget(directory);
      }
      await new Promise(setImmediate);
      const into = Buffer.alloc(name.length);
      fs.readSync(fd, into, 0, into.length, 0);
      return into.toString();
    });
    return found === name;
  });
  t.true((await Promise.all(reads)).every(Boolean));
  t.true(most <= 10, `${most} open`);
  t.true(openDescriptors(directory).length <= 5);
  await t.throwsAsync(
    descriptors.use(`${directory}/none`, () => Promise.resolve()),
    { code: 'ENOENT' },
  );
  await descriptors.close();
  t.deepEqual(openDescriptors(directory), []);
});

test('rows of the index keep sets, sizes and offsets, and wrong ones are refused', (t) => {
  for (const location of [{ set: '0123456789ab' }, { set: 'ffffffffffff', offset: 2 ** 48 - 1 }])
    for (const size of [0, 2 ** 48 - 1])
      t.deepEqual(decodeStored(encodeStored({ size, location })), { size, location });
  for (const length of [0, 11, 13, 17, 19])
    t.throws(() => decodeStored(Buffer.alloc(length)), { code: 'METADATA_DAMAGED' });
});
