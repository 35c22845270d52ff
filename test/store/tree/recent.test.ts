import test from 'ava';
import fc from 'fast-check';
import { Recent } from '../../../store/tree/recent.js';
import { propertySettings } from '../../helpers/properties.js';

test('values are those that were added, and their weight is bounded', (t) => {
  const property = fc.property(fc.array(fc.tuple(fc.nat(40), fc.boolean()), { maxLength: 300 }), (uses) => {
    const recent = new Recent<number, { readonly weight: number }>(100, ({ weight }) => weight);
    for (const [key, adds] of uses) {
      if (adds) recent.add(key, { weight: (key % 50) + 1 });
      const found = recent.get(key);
      t.true(found === undefined ? !adds : found.weight === (key % 50) + 1);
      t.true(recent.weight <= 100);
    }
    return true;
  });
  fc.assert(property, propertySettings(t, 200));
});

test('what is used stays', (t) => {
  const recent = new Recent<number, string>(20, () => 1);
  recent.add(-1, 'used');
  for (let key = 0; key < 1000; key++) {
    recent.add(key, 'new');
    t.is(recent.get(-1), 'used');
  }
  t.is(recent.get(0), undefined);
});

test('a value that is heavier than all is kept alone', (t) => {
  const recent = new Recent<string, number>(10, (weight) => weight);
  recent.add('small', 1);
  recent.add('large', 50);
  t.is(recent.get('large'), 50);
  t.is(recent.weight, 51);
  recent.add('next', 1);
  t.is(recent.get('next'), 1);
  t.is(recent.get('small'), undefined);
});
