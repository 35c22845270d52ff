import test from 'ava';
import fc from 'fast-check';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { isCasError } from '../../../store/errors.js';
import { ByteReader, ByteWriter } from '../../../store/split/bytes.js';
import { endOf, readChunk } from '../../../store/split/chunk.js';
import { chunkAt, decodeIndex, encodeIndex } from '../../../store/split/split-index.js';
import { LONGEST_RAW, SplitWriter } from '../../../store/split/writer.js';
import { seededBytes } from '../../helpers/bytes.js';
import { propertySettings } from '../../helpers/properties.js';
import { anyRecord, split } from './tools.js';

test('any records come back as they were, with their offsets', async (t) => {
  const property = fc.asyncProperty(fc.array(anyRecord, { maxLength: 300 }), async (records) => {
    const { chunks, index } = await split(records);
    const found = (await Promise.all(chunks.map(({ bytes }) => readChunk(bytes)))).flat();
    let offset = 0;
    const expected = records.map((record) => {
      const placed = { ...record, tarOffset: offset };
      offset = endOf(placed);
      return placed;
    });
    t.deepEqual(found, expected);
    t.deepEqual(index, {
      size: offset,
      entries: records.filter(({ entry }) => entry).length,
      offsets: chunks.map(({ tarOffset }) => tarOffset),
    });
    t.deepEqual(decodeIndex(encodeIndex(index)), index);
  });
  await fc.assert(property, propertySettings(t, 60));
});

test('a chunk has about 256 KiB, and a long record is in one piece', async (t) => {
  const header = (number: number): Buffer => Buffer.alloc(512, `${number}`);
  const digest = Buffer.alloc(32, 1);
  const location = { set: '0123456789ab', offset: 1 };
  const records = Array.from({ length: 4000 }, (_, number) => ({
    raw: number === 2000 ? seededBytes(LONGEST_RAW) : header(number),
    entry: true,
    payload: { digest, size: 1000, location },
  }));
  const { chunks, index } = await split(records);
  t.is(index.entries, 4000);
  t.is(chunks.length, 10);
  const lengths = await Promise.all(chunks.map(async ({ bytes }) => (await readChunk(bytes)).length));
  t.is(Math.max(...lengths), Math.ceil((256 << 10) / (512 + 32 + 7)));
  for (const [number, { tarOffset }] of chunks.entries()) {
    t.is(chunkAt(index, tarOffset), number);
    if (number > 0) t.is(chunkAt(index, tarOffset - 1), number - 1);
  }
  const writer = new SplitWriter(() => undefined);
  t.throws(() => writer.add({ raw: Buffer.alloc(LONGEST_RAW + 1), entry: false }), {
    code: 'LAYER_TOO_LARGE',
  });
});

test('a failure to take a chunk reaches the writer, and what is under way is bounded', async (t) => {
  let underWay = 0;
  let most = 0;
  const writer = new SplitWriter(async () => {
    most = Math.max(most, ++underWay);
    await new Promise(setImmediate);
    underWay--;
  });
  for (let number = 0; number < 20; number++)
    await writer.add({ raw: seededBytes(300_000, number + 1), entry: false });
  t.is((await writer.finish()).offsets.length, 20);
  t.is(most, 1);
  const failing = new SplitWriter(() => Promise.reject(new Error('no room')));
  const put = async (): Promise<void> => {
    for (;;) await failing.add({ raw: Buffer.alloc(300_000), entry: false });
  };
  await t.throwsAsync(put(), { message: 'no room' });
  await t.throwsAsync(failing.finish(), { message: 'no room' });
});

async function isRefused(bytes: Buffer): Promise<boolean> {
  return readChunk(bytes).then(
    () => false,
    (error: unknown) => isCasError(error, 'LAYER_DAMAGED'),
  );
}

function isIndexRefused(bytes: Buffer): boolean {
  try {
    decodeIndex(bytes);
    return false;
  } catch (error) {
    return isCasError(error, 'LAYER_DAMAGED');
  }
}

/** The same chunk with another body and a right checksum. */
function withBody(chunk: Buffer, change: (body: Buffer) => Buffer): Buffer {
  const body = change(inflateRawSync(chunk.subarray(19)));
  const bytes = Buffer.concat([chunk.subarray(0, 19), deflateRawSync(body)]);
  bytes.writeUInt32BE(body.length, 15);
  bytes.writeUInt32BE(crc32(bytes.subarray(5)), 1);
  return bytes;
}

test('a flipped bit anywhere in a chunk or an index is found', async (t) => {
  const { chunks, index } = await split(fc.sample(anyRecord, { seed: 1, numRuns: 5 }));
  const chunk = chunks[0]?.bytes ?? Buffer.of();
  t.false(await isRefused(chunk));
  const encoded = encodeIndex(index);
  for (const [bytes, refuses] of [
    [chunk, isRefused],
    [encoded, isIndexRefused],
  ] as const) {
    const step = Math.max(1, Math.floor(bytes.length / 300));
    for (let at = 0; at < bytes.length; at += step) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at & 7));
      if (!(await refuses(damaged))) t.fail(`byte ${at}`);
      if (!(await refuses(bytes.subarray(0, at)))) t.fail(`${at} bytes`);
    }
  }
});

test('a chunk with a right checksum and any body is refused or is one that the writer makes', async (t) => {
  const { chunks } = await split(fc.sample(anyRecord, { seed: 2, numRuns: 4 }));
  const chunk = chunks[0]?.bytes ?? Buffer.of();
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.boolean() });
  let refused = 0;
  const property = fc.asyncProperty(change, async ({ at, byte, cut }) => {
    const changed = withBody(chunk, (body) => {
      // The heads are at the beginning.
      body[at % Math.min(60, body.length)] = byte;
      return cut ? body.subarray(0, at % body.length) : body;
    });
    if (await isRefused(changed)) refused++;
    else {
      const again = (await split(await readChunk(changed))).chunks[0]?.bytes ?? Buffer.of();
      t.deepEqual(inflateRawSync(again.subarray(19)), inflateRawSync(changed.subarray(19)));
    }
  });
  await fc.assert(property, propertySettings(t, 400));
  t.true(refused > 100);
  t.true(await isRefused(withBody(chunk, (body) => Buffer.concat([body, Buffer.of(0)]))));
  t.true(await isRefused(Buffer.of()));
});

test('numbers have one form', (t) => {
  const malformed = (what: string): Error => new Error(what);
  for (const value of [0, 1, 127, 128, 16_383, 16_384, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const to = new ByteWriter();
    to.varint(value);
    t.is(new ByteReader(to.bytes(), malformed).varint(), value);
  }
  const refused = [
    [],
    [0x80],
    [0x80, 0x00],
    [0xff, 0x80, 0x00],
    Array<number>(8).fill(0xff),
    Array<number>(20).fill(0x80),
  ];
  for (const bytes of refused) t.throws(() => new ByteReader(Buffer.from(bytes), malformed).varint());
});
