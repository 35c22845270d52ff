import test from 'ava';
import { etaOf, percentOf } from '../../../store/ingest/status.js';

const TIB = 2 ** 40;

for (const [size, total, percent] of [
  [0, undefined, undefined],
  [0, 1000, 0],
  [1, 3, 33.3],
  [2, 3, 66.6],
  [999, 1000, 99.9],
  [9_999_999, 10_000_000, 99.9],
  [8 * TIB - 1, 8 * TIB, 99.9],
  [8 * TIB, 8 * TIB, 100],
  [1500, 1000, 150],
  [0, 0, 100],
  [1, 0, undefined],
] as const) {
  test(`${size} bytes of ${total ?? 'an unknown total'} are ${percent ?? 'no'} percent`, (t) => {
    t.is(percentOf({ size, total }), percent);
  });
}

for (const [size, total, rate, eta] of [
  [0, undefined, 10, undefined],
  [0, 1000, undefined, undefined],
  [0, 1000, 0, undefined],
  [0, 1000, 100, 10],
  [999, 1000, 100, 1],
  [1, 1000, 100, 10],
  [1000, 1000, undefined, 0],
  [1001, 1000, 100, 0],
] as const) {
  test(`${size} bytes of ${total ?? 'an unknown total'} at ${rate ?? 'no'} B/s: the rest takes ${eta ?? 'an unknown number of'} s`, (t) => {
    t.is(etaOf({ size, total, rate }), eta);
  });
}
