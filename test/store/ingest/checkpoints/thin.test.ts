import test from 'ava';
import fc from 'fast-check';
import { KEPT, surplus } from '../../../../store/ingest/checkpoints/thin.js';
import { propertySettings } from '../../../helpers/properties.js';

/** What is left of states saved one after the other at the offsets given. */
function keptOf(offsets: readonly number[]): number[] {
  let kept: number[] = [];
  for (const offset of offsets) {
    kept.push(offset);
    const given = surplus(kept);
    kept = kept.filter((other) => !given.includes(other));
  }
  return kept;
}

/** How many times as many bytes must be hashed again to get to a place as lie between it and the newest; at worst. */
function worst(kept: readonly number[], places: readonly number[]): number {
  const newest = kept.at(-1) ?? 0;
  const costs = places
    .filter((place) => place < newest)
    .map((place) => {
      const from = kept.findLast((offset) => offset <= place) ?? 0;
      return (place - from) / (newest - place);
    });
  return Math.max(0, ...costs);
}

test('few states are no surplus', (t) => {
  for (let count = 0; count <= KEPT; count++)
    t.deepEqual(surplus(Array.from({ length: count }, (_, index) => index * 10)), []);
});

test('a bounded number of states is kept, the newest always', (t) => {
  const steps = fc.array(fc.integer({ min: 1, max: 1 << 30 }), { minLength: 1, maxLength: 200 });
  const property = fc.property(steps, (drawn) => {
    let end = 0;
    const offsets = drawn.map((step) => (end += step));
    const kept = keptOf(offsets);
    return kept.length === Math.min(KEPT, offsets.length) && kept.at(-1) === offsets.at(-1);
  });
  fc.assert(property, propertySettings(t, 300));
  t.pass();
});

test('states lie the closer the nearer they are to the newest: a cut costs about what it takes away', (t) => {
  const places = Array.from({ length: 2000 }, (_, index) => index + 1);
  let most = 0;
  for (let count = 1; count <= places.length; count++) {
    const offsets = places.slice(0, count);
    most = Math.max(most, worst(keptOf(offsets), offsets));
    if (count > 300) count += 37;
  }
  t.log(`at worst ${most.toFixed(2)} times as many bytes are hashed again as are cut off`);
  t.true(most <= 5);
});
