import fs from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { AssembledTar } from '../../../store/split/assembled-tar.js';
import { PayloadReader } from '../../../store/payloads/reader.js';
import { propertySettings } from '../../helpers/properties.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { PayloadStore } from '../payloads/tools.js';
import { anyPieces, assemble, type Piece, realTar, storePieces } from './tools.js';

const wholeOf = (pieces: readonly Piece[]): Buffer =>
  Buffer.concat(pieces.flatMap(({ raw, data }) => (data ? [raw, data] : [raw])));

test('any range of any tar is the slice of it', async (t) => {
  const store = new PayloadStore(temporaryDirectory(t));
  const ranges = fc.array(fc.tuple(fc.nat(30_000), fc.nat(30_000)), { minLength: 1, maxLength: 10 });
  const property = fc.asyncProperty(anyPieces, ranges, async (pieces, wanted) => {
    // Contents that earlier ones had are in other sets: runs of the pack are broken.
    const { tar } = await storePieces(t, pieces, store);
    const whole = wholeOf(pieces);
    t.is(tar.size, whole.length);
    for (const [offset, length] of wanted) {
      const into = Buffer.alloc(length, 0xee);
      const size = await tar.read(into, offset);
      t.deepEqual(into.subarray(0, size), whole.subarray(offset, offset + length));
      t.true(into.subarray(size).every((byte) => byte === 0xee));
    }
  });
  await fc.assert(property, propertySettings(t, 40));
});

test('a real tar is read in blocks of many sizes and from many places', async (t) => {
  const { bytes, pieces } = realTar(t);
  const { tar, index } = await storePieces(t, pieces);
  t.true(index.offsets.length > 2);
  for (const size of [1 << 20, 100_000, 5 << 20]) {
    const found: Buffer[] = [];
    for (let offset = 0; offset < tar.size; offset += size) {
      const into = Buffer.alloc(size);
      found.push(into.subarray(0, await tar.read(into, offset)));
    }
    t.true(Buffer.concat(found).equals(bytes), `${size}`);
  }
  const places = Array.from({ length: 300 }, (_, number) => (number * 7_919_777) % tar.size);
  const reads = places.map(async (offset) => {
    const into = Buffer.alloc(5000);
    const size = await tar.read(into, offset);
    return into.subarray(0, size).equals(bytes.subarray(offset, offset + 5000));
  });
  t.true((await Promise.all(reads)).every(Boolean));
  t.is(await tar.read(Buffer.alloc(10), tar.size), 0);
  t.is(await tar.read(Buffer.alloc(10), tar.size + 10), 0);
  t.is(await tar.read(Buffer.alloc(0), 0), 0);
});

test('a tar without any record is empty', async (t) => {
  const { tar } = await storePieces(t, []);
  t.is(tar.size, 0);
  t.is(await tar.read(Buffer.alloc(10), 0), 0);
});

test('chunks that are damaged, exchanged or missing are found, and read again once they are right', async (t) => {
  const pieces = Array.from({ length: 1000 }, (_, number) => ({ raw: Buffer.alloc(1000, `${number}`) }));
  const { store, chunks, index, tar } = await storePieces(t, pieces);
  const whole = wholeOf(pieces);
  for (const wrong of [chunks[1]?.bytes, Buffer.of(), chunks[0]?.bytes.subarray(0, -1)]) {
    const changed = assemble(
      t,
      store,
      [{ tarOffset: 0, bytes: wrong ?? Buffer.of() }, ...chunks.slice(1)],
      index,
    );
    await t.throwsAsync(changed.read(Buffer.alloc(100), 0), { code: 'LAYER_DAMAGED', message: /its tar/ });
    const after = Buffer.alloc(100);
    await changed.read(after, whole.length - 100);
    t.deepEqual(after, whole.subarray(-100));
  }
  let fails = true;
  const reader = new PayloadReader(store.root);
  const flaky = new AssembledTar(
    index,
    (number) =>
      fails ? Promise.reject(new Error('not now')) : Promise.resolve(chunks[number]?.bytes ?? Buffer.of()),
    reader,
  );
  await t.throwsAsync(flaky.read(Buffer.alloc(100), 0), { message: 'not now' });
  fails = false;
  t.is(await flaky.read(Buffer.alloc(100), 0), 100);
  t.is(tar.chunks, chunks.length);
});

test('a payload that is gone or short is damage', async (t) => {
  const pieces = [
    { raw: Buffer.alloc(512), data: Buffer.alloc(100, 'a') },
    { raw: Buffer.alloc(412), data: Buffer.alloc(100_000, 'b') },
  ];
  const { store, set, tar } = await storePieces(t, pieces);
  fs.truncateSync(store.path(set, 'pack'), 99);
  await t.throwsAsync(tar.read(Buffer.alloc(tar.size), 0), { code: 'LAYER_DAMAGED', message: /^sha256:/ });
  t.is(await tar.read(Buffer.alloc(512), 0), 512);
  await t.throwsAsync(tar.read(Buffer.alloc(100), 550), { code: 'LAYER_DAMAGED' });
});
