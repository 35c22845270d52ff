import { stripVTControlCharacters } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { humanDuration } from '../../src/cas/duration.js';
import { fitted, shortened } from '../../src/cas/text-width.js';
import { bar } from '../../src/cas/watch/bar.js';
import { drawFrame } from '../../src/cas/watch/frame.js';
import { drawRegistration } from '../../src/cas/watch/registration-line.js';
import type { IngestLine } from '../../src/control/protocol.js';
import { propertySettings } from '../helpers/properties.js';

const MIB = 1024 ** 2;
const IDLE: IngestLine = {
  ref: 'idle',
  size: 2 * MIB,
  offset: 2 * MIB,
  total: null,
  percent: null,
  rate: null,
  eta: null,
  algorithm: 'sha256',
  digest: null,
  expected: null,
  started: '2024-05-06T07:08:09.010Z',
  updated: '2024-05-06T07:08:09.010Z',
  holder: null,
  error: null,
};
const HELD: IngestLine = {
  ...IDLE,
  ref: 'job/layer.tar',
  total: 8 * MIB,
  percent: 25,
  rate: 1.5 * MIB,
  eta: 4,
  holder: { pid: 7, command: 'dd', since: '2024-05-06T07:08:09.010Z' },
};
const REFUSED: IngestLine = { ...IDLE, ref: 'broken', error: { code: null, message: 'broken: no' } };

for (const [columns, lines] of [
  [
    100,
    [
      'job/layer.tar  [========>                        ]   25%     2.0 MiB / 8.0 MiB     1.5 MiB/s      4s',
      'idle                                                                   2.0 MiB     no writer',
      'broken                                                                 2.0 MiB       refused',
    ],
  ],
  [
    60,
    [
      'job/layer.tar  [===>           ]   25%     1.5 MiB/s      4s',
      'idle                                       no writer',
      'broken                                       refused',
    ],
  ],
  [
    45,
    [
      'job/lay…tar  [==>       ]   25%     1.5 MiB/s',
      'idle                                no writer',
      'broken                                refused',
    ],
  ],
  [
    30,
    ['job/la…tar   25%     1.5 MiB/s', 'idle                 no writer', 'broken                 refused'],
  ],
  [14, ['job/l…ar   25%', 'idle', 'broken']],
  [8, ['job/l…ar', 'idle', 'broken']],
  [3, ['jo…', 'id…', 'br…']],
] as const) {
  test(`a terminal of ${columns} columns shows what it has room for`, (t) => {
    const frame = drawFrame([IDLE, REFUSED, HELD], { columns, rows: 24 });
    t.deepEqual(frame, lines);
    t.is(frame[0]?.length, columns);
  });
}

test('bars keep their place while bytes come', (t) => {
  const bars = [0, 1023, 1024, 1023.9 * 1024, MIB, 9.9 * MIB, 10 * MIB, 700 * MIB].map((size) => {
    const percent = (100 * size) / (700 * MIB);
    const [line = ''] = drawFrame([{ ...HELD, size, total: 700 * MIB, percent }], { columns: 100, rows: 24 });
    return [line.indexOf('['), line.indexOf(']'), line.length];
  });
  for (const place of bars) t.deepEqual(place, bars[0]);
});

test('as many as fit are shown, and the last line tells how many more there are', (t) => {
  const many = Array.from({ length: 100 }, (_, index) => ({ ...IDLE, ref: `idle-${index}` }));
  const names = (rows: number): string[] =>
    drawFrame(many, { columns: 80, rows }).map((line) => /^(idle-\d+|….*)/.exec(line)?.[0] ?? '');
  t.deepEqual(names(3), ['idle-0', 'idle-1', '… and 98 more']);
  t.deepEqual(names(1), ['… and 100 more']);
  t.is(names(100).length, 100);
  t.is(names(100).at(-1), 'idle-99');
  t.is(names(99).at(-1), '… and 2 more');
  t.deepEqual(drawFrame([], { columns: 80, rows: 24 }), ['no ingests']);
});

test('those that are being written come first, the longest before, then the latest of the others', (t) => {
  const at = (second: number): string => `2024-05-06T07:08:0${second}.000Z`;
  const lines = [
    { ...IDLE, ref: 'idle-old', updated: at(1) },
    { ...HELD, ref: 'held-new', started: at(5) },
    { ...IDLE, ref: 'idle-new', updated: at(2) },
    { ...HELD, ref: 'held-old', started: at(3) },
  ];
  const shown = drawFrame(lines, { columns: 80, rows: 24 }).map((line) => line.split(' ')[0]);
  t.deepEqual(shown, ['held-old', 'held-new', 'idle-new', 'idle-old']);
  t.is(lines[0]?.ref, 'idle-old', 'what is given is left as it is');
});

const anyLine = fc
  .record({
    ref: fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.constantFrom('書類/長い名前.tar', 'a\u001b[2J\nb'),
    ),
    size: fc.nat(),
    total: fc.option(fc.nat()),
    percent: fc.option(fc.double({ min: 0, max: 1000, noNaN: true })),
    rate: fc.option(fc.nat()),
    eta: fc.option(fc.nat()),
    holder: fc.constantFrom(null, HELD.holder),
    error: fc.constantFrom(null, REFUSED.error),
  })
  .map((line): IngestLine => ({ ...IDLE, ...line }));

test('no frame is larger than its terminal, whatever it shows', (t) => {
  fc.assert(
    fc.property(
      fc.array(anyLine, { maxLength: 8 }),
      fc.nat(200),
      fc.integer({ min: 1, max: 10 }),
      (lines, columns, rows) => {
        const frame = drawFrame(lines, { columns, rows });
        t.true(frame.length <= rows);
        for (const line of frame) {
          t.is(stripVTControlCharacters(line), line);
          t.notRegex(line, /[\p{Cc}]/u);
          t.true(stringWidth(line) <= columns, `${stringWidth(line)} of ${columns}: ${line}`);
        }
      },
    ),
    propertySettings(t, 500),
  );
});

for (const [percent, drawn] of [
  [null, '            '],
  [0, '[>         ]'],
  [9.9, '[>         ]'],
  [10, '[=>        ]'],
  [99.9, '[=========>]'],
  [100, '[==========]'],
  [250, '[==========]'],
] as const) {
  test(`${percent ?? 'no'} percent are drawn as ${drawn}`, (t) => {
    t.is(bar(percent, 12), drawn);
  });
}

for (const [seconds, shown] of [
  [0, '0s'],
  [0.2, '1s'],
  [59, '59s'],
  [60, '1m00s'],
  [125, '2m05s'],
  [3599.5, '1h00m'],
  [3725, '1h02m'],
  [90_000, '1d01h'],
  [99 * 86_400 + 86_399, '99d23h'],
  [100 * 86_400, '>99d'],
  [Number.MAX_SAFE_INTEGER, '>99d'],
] as const) {
  test(`${seconds} seconds are shown as ${shown}`, (t) => {
    t.is(humanDuration(seconds), shown);
  });
}

test('a text is cut in its middle, between characters, to the columns it may take', (t) => {
  t.is(shortened('0123456789', 10), '0123456789');
  t.is(shortened('0123456789', 9), '012345…89');
  t.is(shortened('書類書類書類', 7), '書類…類');
  t.is(shortened('ab👩‍👩‍👧cd', 5), 'ab…d');
  t.is(shortened('abc', 1), '…');
  t.is(shortened('abc', 0), '');
  t.is(fitted('書', 4), '書  ');
  t.is(fitted('書類書', 4), '書… ');
});

for (const [columns, registering, line] of [
  [
    110,
    {},
    'base.tar.gz  [=======>                    ]   25%     2.0 MiB / 8.0 MiB     1234 entries     1.5 MiB/s      4s',
  ],
  [90, {}, 'base.t…gz  [==>       ]   25%     2.0 MiB / 8.0 MiB     1234 entries     1.5 MiB/s      4s'],
  [40, { bytes: 8 * MIB }, 'base.tar.gz  100%     finishing'],
  [
    110,
    { total: null },
    'base.tar.gz                                                     2.0 MiB     1234 entries     1.5 MiB/s',
  ],
  [
    110,
    { total: null, bytes: 0, entries: 0, rate: null },
    'base.tar.gz                                                         0 B        0 entries',
  ],
  [12, {}, 'base.tar.gz'],
] as const) {
  test(`a registration on ${columns} columns: ${JSON.stringify(registering)}`, (t) => {
    const all = { name: 'base.tar.gz', bytes: 2 * MIB, total: 8 * MIB, entries: 1234, rate: 1.5 * MIB };
    t.is(drawRegistration({ ...all, ...registering }, columns), line);
  });
}
