import { createHash } from 'node:crypto';
import test from 'ava';
import type { Payload } from '../../../store/payloads/location.js';
import { crc64, EMPTY_CRC64 } from '../../../store/split/crc64.js';
import type { SplitRecord } from '../../../store/split/record.js';
import { importTarSplit } from '../../../store/split/tar-split-import.js';
import { exportTarSplit } from '../../../store/split/tar-split-json.js';
import type { TarSplitItem } from '../../../store/split/tar-split-line.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { file, header, pax, take, tar } from '../tar/tars.js';
import { VECTORS, vectorJson, vectorTar } from './vectors.js';

/** The records of a tar, and a reader of its payloads. */
function split(bytes: Buffer): { records: SplitRecord[]; read: (payload: Payload) => AsyncIterable<Buffer> } {
  const contents = new Map<string, Buffer>();
  const { entries, rest } = take(bytes);
  const records = entries.map(({ raw, data }): SplitRecord => {
    if (data.length === 0) return { raw, entry: true };
    const digest = createHash('sha256').update(data).digest();
    contents.set(digest.toString('hex'), data);
    return { raw, entry: true, payload: { digest, size: data.length, location: { set: '0'.repeat(12) } } };
  });
  return {
    records: [...records, { raw: rest, entry: false }],
    read: ({ digest }) => pieces(contents.get(digest.toString('hex')) ?? Buffer.alloc(0)),
  };
}

// eslint-disable-next-line @typescript-eslint/require-await -- it has nothing to wait for
async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 300) yield bytes.subarray(at, at + 300);
}

// eslint-disable-next-line @typescript-eslint/require-await -- it has nothing to wait for
async function* each<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* values;
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
}

async function exported(bytes: Buffer): Promise<string> {
  const { records, read } = split(bytes);
  return (await all(exportTarSplit(each(records), read))).join('');
}

function imported(json: string): Promise<TarSplitItem[]> {
  return all(importTarSplit(json.split('\n')));
}

/** What tar-split makes of its lines: the segments, with the bytes of files of the tar between them. */
function assembled(items: readonly TarSplitItem[], bytes: Buffer): Buffer {
  const files = new Map(take(bytes).entries.map(({ entry, data }) => [entry.name, data]));
  const pieces = items.map((item) => (item.type === 'segment' ? item.bytes : files.get(item.name)));
  return Buffer.concat(pieces.map((piece) => piece ?? Buffer.alloc(0)));
}

for (const [name, options] of Object.entries(VECTORS)) {
  test(`${name}: the lines are those of tar-split, and tell of all bytes of the tar`, async (t) => {
    const bytes = vectorTar(temporaryDirectory(t), options);
    const json = vectorJson(name);
    t.is(await exported(bytes), json);
    t.true(assembled(await imported(json), bytes).equals(bytes));
  });
}

test('The checksum is CRC-64/GO-ISO', async (t) => {
  const crc = await crc64();
  crc.update(Buffer.from('12345'));
  crc.update(Buffer.from('6789'));
  t.is(crc.digest().toString('hex'), 'b90956c775a41001');
  t.deepEqual(crc.digest(), EMPTY_CRC64);
});

test('What follows the archive is in segments of 1 MiB, and an empty one ends it', async (t) => {
  const bytes = Buffer.concat([tar(file({}, 'text')), Buffer.alloc((2 << 20) + 5, 'x')]);
  const items = await imported(await exported(bytes));
  const sizes = items.map((item) => (item.type === 'segment' ? item.bytes.length : item.type));
  t.deepEqual(sizes, [512, 'file', 508 + 1024, 1 << 20, 1 << 20, 5, 0]);
});

test('Padding that the input ends in is kept', async (t) => {
  const bytes = file({}, 'text').subarray(0, 600);
  const items = await imported(await exported(bytes));
  t.true(assembled(items, bytes).equals(bytes));
});

test('A link that declares a size has one, with the checksum of nothing', async (t) => {
  const items = await imported(await exported(tar(header({ type: '2', size: 7, link: 'b' }))));
  t.deepEqual(items[1], { type: 'file', name: 'a', size: 7, crc: EMPTY_CRC64 });
});

test('Sparse files, and two files with one path, cannot be exported', async (t) => {
  const sparse = pax({ 'GNU.sparse.map': '0,1', 'GNU.sparse.numblocks': '1', 'GNU.sparse.size': '9' });
  await t.throwsAsync(exported(tar(sparse, file({}, 'x'))), { code: 'LAYER_INVALID' });
  for (const name of ['./a', 'a/', 'b/../a', 'a//.']) {
    await t.throwsAsync(exported(tar(file({}), file({ name }))), { code: 'LAYER_INVALID' }, name);
  }
  await t.notThrowsAsync(exported(tar(file({}), file({ name: '/a' }))));
});

test('A payload of another length is a damaged layer', async (t) => {
  const { records } = split(tar(file({}, 'text')));
  for (const text of ['tex', 'text+']) {
    const lines = exportTarSplit(each(records), () => pieces(Buffer.from(text)));
    await t.throwsAsync(all(lines), { code: 'LAYER_DAMAGED' }, text);
  }
});

const SEGMENT = '{"type":2,"payload":"YQ==","position":0}';
const FILE = '{"type":1,"name":"a","size":4,"payload":"AAAAAAAAAAA=","position":0}';

test('Lines that tar-split does not write are refused', async (t) => {
  t.deepEqual(await imported(`${SEGMENT}\n`), [{ type: 'segment', bytes: Buffer.from('a') }]);
  const lines = [
    '{',
    '[]',
    'null',
    SEGMENT.replace('2', '3'),
    SEGMENT.replace(':0', ':1'),
    SEGMENT.replace('YQ==', 'YQ'),
    SEGMENT.replace('YQ==', 'YR=='),
    SEGMENT.replace('YQ==', 'Y Q=='),
    SEGMENT.replace('"YQ=="', 'null'),
    SEGMENT.replace('"type"', '"name":"x","type"'),
    SEGMENT.replace('"type"', '"other":1,"type"'),
    FILE.replace('4', '4.5'),
    FILE.replace('4', '"4"'),
    FILE.replace('4', '0'),
    FILE.replace('4', '9007199254740992'),
    FILE.replace('"AAAAAAAAAAA="', 'null'),
    FILE.replace('AAAAAAAAAAA=', 'AAAA'),
    FILE.replace('"a"', '1'),
    FILE.replace('"name"', '"name_raw":"YQ==","name"'),
    FILE.replace('"name":"a"', '"name_raw":"!"'),
  ];
  for (const line of lines) await t.throwsAsync(imported(line), { code: 'LAYER_INVALID' }, line);
});

test('Lines out of order or with a path that was there are refused', async (t) => {
  const second = FILE.replace(':0}', ':1}');
  await t.notThrowsAsync(imported(`${FILE}\n${second.replace('"a"', '"b"')}`));
  await t.throwsAsync(imported(`${FILE}\n${second.replace('"a"', '"./a"')}`), { code: 'LAYER_INVALID' });
  await t.throwsAsync(imported(`${FILE}\n${FILE.replace('"a"', '"b"')}`), { code: 'LAYER_INVALID' });
});
