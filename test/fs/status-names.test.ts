import test from 'ava';
import fc from 'fast-check';
import { directoryOf, directoryShown, fileShown, refOf, isShown } from '../../fs/status-names.js';
import { propertySettings } from '../helpers/properties.js';

/** Names of which many collide where anything can. */
const name = fc
  .array(fc.constantFrom('a', '.json', '.d', '.', 'json', '書'), { minLength: 1, maxLength: 5 })
  .map((pieces) => pieces.join(''));

test('no two ingests and directories are shown under one name, and each is found by its own', (t) => {
  fc.assert(
    fc.property(name, name, (one, other) => {
      t.is(refOf(fileShown(one)), one);
      t.is(refOf(directoryShown(one)), undefined);
      t.is(directoryOf(directoryShown(one)), one);
      t.not(fileShown(one), directoryShown(other));
      if (one !== other) t.not(directoryShown(one), directoryShown(other));
    }),
    propertySettings(t, 2000),
  );
});

for (const [directory, shown] of [
  ['a', 'a'],
  ['a.d', 'a.d'],
  ['a.json', 'a.json.d'],
  ['a.json.d', 'a.json.d.d'],
] as const) {
  test(`the directory ${directory} is shown as ${shown}`, (t) => {
    t.is(directoryShown(directory), shown);
  });
}

test('a name is shown as long as it has at most 255 bytes', (t) => {
  t.true(isShown(fileShown('x'.repeat(250))));
  t.false(isShown(fileShown('x'.repeat(251))));
  t.false(isShown(fileShown('書'.repeat(84))));
});
