import test from 'ava';
import { CasError } from '../../../store/errors.js';
import type { TarLimits } from '../../../store/tar/limits.js';
import { body, file, header, pax, take, tar } from './tars.js';

type Ranges = readonly (readonly [offset: number, length: number])[];

/** A sparse file of format 1.0; the data is as long as the ranges say, unless given. */
function embedded(ranges: Ranges, size: number, data?: string, count = ranges.length): Buffer {
  const map = body([count, ...ranges.flat()].map((number) => `${number}\n`).join('')).toString('latin1');
  const bytes = data ?? 'x'.repeat(ranges.reduce((sum, [, length]) => sum + length, 0));
  const records = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'real' };
  return tar(
    pax({ ...records, 'GNU.sparse.realsize': String(size) }),
    file({ name: 'GNUSparseFile.0/real' }, map + bytes),
  );
}

/** The same in format 0.1, with its map in pax records. */
function recorded(ranges: Ranges, size: number): Buffer {
  const records = {
    'GNU.sparse.size': String(size),
    'GNU.sparse.numblocks': String(ranges.length),
    'GNU.sparse.map': ranges.flat().join(','),
  };
  return tar(pax(records), file({}, 'x'.repeat(ranges.reduce((sum, [, length]) => sum + length, 0))));
}

/** The same in GNU's old format; ranges beyond the fourth are in blocks of their own. */
function old(ranges: Ranges, size: number): Buffer {
  const stored = ranges.reduce((sum, [, length]) => sum + length, 0);
  const octal = (number: number): string => number.toString(8).padStart(11, '0');
  const fields = { type: 'S', magic: 'ustar  \0', size: stored, real: octal(size) };
  const map = ranges.map(([offset, length]) => `${octal(offset)}\0${octal(length)}\0`);
  // The 41 bytes before the map are the times and what multi-volume archives need.
  const more = (at: number): string => (map.length > at ? '\x01' : '\0');
  const prefix = '\0'.repeat(41) + map.slice(0, 4).join('').padEnd(96, '\0') + more(4);
  const blocks = [header({ ...fields, prefix })];
  for (let at = 4; at < map.length; at += 21) {
    blocks.push(
      body(
        map
          .slice(at, at + 21)
          .join('')
          .padEnd(504, '\0') + more(at + 21),
      ),
    );
  }
  return tar(...blocks, body('x'.repeat(stored)));
}

function refusal(bytes: Buffer, limits?: Partial<TarLimits>): string | undefined {
  try {
    take(bytes, [600], limits);
    return undefined;
  } catch (error) {
    if (error instanceof CasError) return error.code;
    throw error;
  }
}

const FORMATS = Object.entries({ embedded, recorded, old });

test('Ranges, size and data are what the map says; empty ranges are left out', (t) => {
  const ranges: Ranges = [...Array(30).keys()].map((i) => [i * 1000, 100]);
  for (const [name, make] of FORMATS) {
    const bytes = make([...ranges, [50_000, 0]], 50_000);
    const { entries, bytes: given } = take(bytes, [513]);
    const [taken] = entries;
    t.deepEqual(given, bytes, name);
    t.is(entries.length, 1, name);
    t.is(taken?.entry.type, 'file');
    t.is(taken?.entry.size, 50_000, name);
    t.is(taken?.entry.stored, 3000, name);
    t.deepEqual(
      taken?.entry.sparse,
      ranges.map(([offset, length]) => ({ offset, length })),
      name,
    );
    t.is(taken?.data.toString(), 'x'.repeat(3000), name);
  }
});

test('Ranges out of order, overlapping or beyond the file are refused', (t) => {
  const maps: [Ranges, number][] = [
    [
      [
        [100, 10],
        [50, 10],
      ],
      1000,
    ],
    [
      [
        [100, 10],
        [105, 10],
      ],
      1000,
    ],
    [[[990, 11]], 1000],
    [[[1001, 0]], 1000],
    [[[0, 1]], 0],
  ];
  for (const [name, make] of FORMATS) {
    t.is(
      refusal(
        make(
          [
            [0, 10],
            [990, 10],
          ],
          1000,
        ),
      ),
      undefined,
      name,
    );
    for (const [ranges, size] of maps) {
      t.is(refusal(make(ranges, size)), 'LAYER_INVALID', `${name} ${JSON.stringify(ranges)}`);
    }
  }
});

test('The data must be as long as the ranges together', (t) => {
  t.is(refusal(embedded([[0, 10]], 1000, 'x'.repeat(11))), 'LAYER_INVALID');
  t.is(refusal(embedded([[0, 10]], 1000, 'x'.repeat(9))), 'LAYER_INVALID');
});

test('A map that is no map is refused', (t) => {
  t.is(refusal(embedded([[-1, 10]], 1000)), 'LAYER_INVALID');
  t.is(refusal(embedded([[0, NaN]], 1000)), 'LAYER_INVALID');
  t.is(refusal(embedded([[0, 10]], 1000, '', -1)), 'LAYER_INVALID');
  t.is(refusal(embedded([[0, 10]], 1000, '', 2)), 'LAYER_INVALID');
  t.is(refusal(recorded([[NaN, 10]], 1000)), 'LAYER_INVALID');
  t.is(refusal(recorded([[0, 10]], -1)), 'LAYER_INVALID');
  t.is(refusal(tar(header({ type: 'S' }))), 'LAYER_INVALID');
  const directory = { 'GNU.sparse.map': '0,1', 'GNU.sparse.numblocks': '1' };
  t.is(refusal(tar(pax(directory), header({ type: '5' }))), 'LAYER_INVALID');
});

test('A number without end in the map is not gathered', (t) => {
  const bytes = embedded([], 1000, '', NaN);
  const map = file({}, '1'.repeat(1 << 20));
  const records = bytes.subarray(0, 1024);
  t.is(refusal(tar(records, map)), 'LAYER_INVALID');
});

test('Format 0.0 repeats its records, in turn', (t) => {
  const record = (key: string, value: number): string => {
    const text = ` GNU.sparse.${key}=${value}\n`;
    return `${text.length + 2}${text}`;
  };
  const map = record('offset', 100) + record('numbytes', 40) + record('offset', 500) + record('numbytes', 60);
  const records = record('size', 900) + record('numblocks', 2);
  const extended = (text: string): Buffer => tar(file({ type: 'x' }, text), file({}, 'x'.repeat(100)));
  t.deepEqual(take(extended(records + map)).entries[0]?.entry.sparse, [
    { offset: 100, length: 40 },
    { offset: 500, length: 60 },
  ]);
  t.is(refusal(extended(records + record('numbytes', 40) + record('offset', 100))), 'LAYER_INVALID');
  t.is(refusal(extended(records + record('offset', 40))), 'LAYER_INVALID');
});

test('Limits bound the ranges, the size with holes, and what the map takes', (t) => {
  const ranges: Ranges = [...Array(200).keys()].map((i) => [i * 10, 1]);
  for (const [name, make] of FORMATS) {
    t.is(refusal(make(ranges, 2000), { extents: 200 }), undefined, name);
    t.is(refusal(make(ranges, 2000), { extents: 199 }), 'LAYER_TOO_LARGE', name);
    t.is(refusal(make(ranges, 2000), { fileSize: 1999 }), 'LAYER_TOO_LARGE', name);
    t.is(refusal(make(ranges, 2000), { entryHeaders: 2000 }), 'LAYER_TOO_LARGE', name);
  }
});
