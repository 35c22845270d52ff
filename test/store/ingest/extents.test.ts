import test from 'ava';
import fc from 'fast-check';
import { Extents } from '../../../store/ingest/extents.js';
import { propertySettings } from '../../helpers/properties.js';

const SIZE = 60;
const at = fc.nat(SIZE);
const change = fc.oneof(
  fc.tuple(fc.constant('add' as const), at, at),
  fc.tuple(fc.constant('remove' as const), at, at),
  fc.tuple(fc.constant('cut' as const), at, fc.constant(SIZE)),
);

test('extents know of each byte what a set of bytes knows', (t) => {
  const property = fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
    const extents = new Extents();
    const bytes = new Set<number>();
    for (const [what, start, end] of changes) {
      if (what === 'cut') extents.cut(start);
      else extents[what](start, end);
      for (let byte = start; byte < end; byte++) {
        if (what === 'add') bytes.add(byte);
        else bytes.delete(byte);
      }
      for (let from = 0; from <= SIZE; from++) {
        let until = from;
        while (bytes.has(until)) until++;
        if (extents.endFrom(from) !== until) return false;
      }
    }
    return true;
  });
  fc.assert(property, propertySettings(t, 2000));
  t.pass();
});

test('ranges that touch become one', (t) => {
  const extents = new Extents();
  extents.add(0, 10);
  extents.add(20, 30);
  t.is(extents.endFrom(0), 10);
  extents.add(10, 20);
  t.is(extents.endFrom(0), 30);
  t.is(extents.endFrom(30), 30);
});

test('ranges may lie beyond what 32 bits can count', (t) => {
  const extents = new Extents();
  extents.add(2 ** 40, 2 ** 53 - 1);
  t.is(extents.endFrom(2 ** 45), 2 ** 53 - 1);
  extents.cut(2 ** 41);
  t.is(extents.endFrom(2 ** 40), 2 ** 41);
});

test('many ranges in a row stay cheap', (t) => {
  const extents = new Extents();
  for (let index = 0; index < 20_000; index++) extents.add(index * 3, index * 3 + 1);
  t.is(extents.endFrom(2997), 2998);
  extents.add(0, 60_000);
  t.is(extents.endFrom(0), 60_000);
});
