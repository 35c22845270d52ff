import test from 'ava';
import fc from 'fast-check';
import { SeekableReader } from '../../../store/split/seekable-reader.js';
import type { RangeReader } from '../../../store/split/range-reader.js';
import { seededBytes } from '../../helpers/bytes.js';
import { propertySettings } from '../../helpers/properties.js';

/** Bytes in memory that remember what was read of them. */
class MemoryReader implements RangeReader {
  readonly reads: (readonly [offset: number, length: number])[] = [];
  readonly bytes: Buffer;
  failure: Error | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.length;
  }

  read(into: Uint8Array, offset: number): Promise<number> {
    this.reads.push([offset, into.length]);
    if (this.failure) return Promise.reject(this.failure);
    return Promise.resolve(this.bytes.copy(into, 0, offset));
  }
}

const WINDOW = 256 << 10;

test('small reads that follow one another are served by one window', async (t) => {
  const source = new MemoryReader(seededBytes(WINDOW + 1000));
  const reader = new SeekableReader(source);
  const into = Buffer.alloc(1000);
  for (let offset = 0; offset < WINDOW - 1000; offset += 1000) {
    t.deepEqual(await reader.read(into), { bytesRead: 1000, done: false });
    t.deepEqual(into, source.bytes.subarray(offset, offset + 1000));
  }
  t.deepEqual(source.reads, [[0, WINDOW]]);
});

test('a seek to where it stands keeps the window, another one drops it', async (t) => {
  const source = new MemoryReader(seededBytes(WINDOW * 2));
  const reader = new SeekableReader(source);
  await reader.read(Buffer.alloc(10));
  t.is(reader.seek(10), 10);
  t.is(reader.seek(0, 'current'), 10);
  await reader.read(Buffer.alloc(10));
  t.is(source.reads.length, 1);
  t.is(reader.seek(15), 15);
  const into = Buffer.alloc(10);
  await reader.read(into);
  t.deepEqual(into, source.bytes.subarray(15, 25));
  t.deepEqual(source.reads, [
    [0, WINDOW],
    [15, WINDOW],
  ]);
});

test('the end is told together with the last bytes, and again', async (t) => {
  const reader = new SeekableReader(new MemoryReader(seededBytes(100)));
  t.deepEqual(await reader.read(Buffer.alloc(99)), { bytesRead: 99, done: false });
  t.deepEqual(await reader.read(Buffer.alloc(10)), { bytesRead: 1, done: true });
  t.deepEqual(await reader.read(Buffer.alloc(10)), { bytesRead: 0, done: true });
  t.deepEqual(await new SeekableReader(new MemoryReader(Buffer.of())).read(Buffer.alloc(1)), {
    bytesRead: 0,
    done: true,
  });
});

test('a seek past the end is allowed, one before the beginning is not and moves nothing', async (t) => {
  const reader = new SeekableReader(new MemoryReader(seededBytes(100)));
  t.is(reader.seek(1000), 1000);
  t.deepEqual(await reader.read(Buffer.alloc(10)), { bytesRead: 0, done: true });
  t.is(reader.seek(-10, 'end'), 90);
  for (const [offset, whence] of [
    [-1, 'start'],
    [-91, 'current'],
    [-101, 'end'],
    [0.5, 'start'],
    [NaN, 'start'],
  ] as const)
    t.throws(() => reader.seek(offset, whence), { code: 'OFFSET_INVALID' });
  t.is(reader.position, 90);
  t.deepEqual(await reader.read(Buffer.alloc(100)), { bytesRead: 10, done: true });
});

test('the size is that at the beginning; a source that has less is damaged', async (t) => {
  const source = new MemoryReader(seededBytes(100));
  const grown = new SeekableReader(source);
  const shrunk = new SeekableReader({ size: 200, read: (into, offset) => source.read(into, offset) });
  Object.defineProperty(source, 'size', { value: 1000 });
  t.deepEqual(await grown.read(Buffer.alloc(1000)), { bytesRead: 100, done: true });
  await t.throwsAsync(shrunk.read(Buffer.alloc(150)), { code: 'LAYER_DAMAGED' });
  t.is(shrunk.position, 0);
});

test('a failure keeps the position', async (t) => {
  const source = new MemoryReader(seededBytes(WINDOW));
  const reader = new SeekableReader(source);
  await reader.read(Buffer.alloc(10));
  reader.seek(20);
  source.failure = new Error('disk');
  await t.throwsAsync(reader.read(Buffer.alloc(10)), { message: 'disk' });
  t.is(reader.position, 20);
  source.failure = undefined;
  const into = Buffer.alloc(10);
  await reader.read(into);
  t.deepEqual(into, source.bytes.subarray(20, 30));
});

test('closing is final', async (t) => {
  const reader = new SeekableReader(new MemoryReader(seededBytes(100)));
  const reading = reader.read(Buffer.alloc(10));
  reader.close();
  for (const refused of [reading, reader.read(Buffer.alloc(10))])
    await t.throwsAsync(refused, { code: 'READER_CLOSED', message: /closed/ });
  t.throws(() => reader.seek(0), { code: 'READER_CLOSED' });
  t.throws(() => reader.close(), { code: 'READER_CLOSED' });
});

test('any reads and seeks give what a slice gives', async (t) => {
  const source = new MemoryReader(seededBytes(3 * WINDOW + 17));
  const step = fc.oneof(
    fc.record({ read: fc.oneof(fc.nat(1000), fc.nat(2 * WINDOW)) }),
    fc.record({
      seek: fc.integer({ min: -2 * WINDOW, max: 4 * WINDOW }),
      whence: fc.constantFrom('start', 'current', 'end'),
    }),
  );
  const property = fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
    const reader = new SeekableReader(source);
    let position = 0;
    for (const each of steps) {
      if ('read' in each) {
        const into = Buffer.alloc(each.read);
        const { bytesRead, done } = await reader.read(into);
        const expected = source.bytes.subarray(position, position + each.read);
        t.true(into.subarray(0, bytesRead).equals(expected));
        position += bytesRead;
        t.is(done, position >= source.bytes.length);
      } else {
        const target = { start: 0, current: position, end: source.bytes.length }[each.whence] + each.seek;
        if (target < 0) t.throws(() => reader.seek(each.seek, each.whence));
        else position = reader.seek(each.seek, each.whence);
        t.is(reader.position, position);
      }
    }
  });
  await fc.assert(property, propertySettings(t, 60));
});
