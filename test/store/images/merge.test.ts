import test from 'ava';
import fc from 'fast-check';
import { chooseBase } from '../../../store/images/choose-base.js';
import { type Descriptor, REF_NAME } from '../../../store/images/descriptor.js';
import type { ImageIndexJson } from '../../../store/images/index-json.js';
import { mergeIndexes } from '../../../store/images/merge.js';
import { propertySettings } from '../../helpers/properties.js';

/** An entry: `name=digit`, or `=digit` for one without a name. */
function entry(text: string): Descriptor {
  const [name = '', digit = '0'] = text.split('=');
  return {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${digit.repeat(64)}`,
    size: 7,
    ...(name === '' ? {} : { annotations: { [REF_NAME]: name } }),
  };
}

/** An index by its entries, as `a=1 b=2 =3`. */
function index(text: string, fields: object = {}): ImageIndexJson {
  return { schemaVersion: 2, manifests: text.split(' ').filter(Boolean).map(entry), ...fields };
}

function textOf({ manifests }: ImageIndexJson): string {
  return manifests
    .map(({ annotations, digest }) => `${annotations?.[REF_NAME] ?? ''}=${digest.slice(7, 8)}`)
    .join(' ');
}

const CASES: readonly [title: string, base: string, written: string, now: string, merged: string][] = [
  ['what both have added stays', 'a=1', 'a=1 b=2', 'a=1 c=3', 'a=1 c=3 b=2'],
  ['what one removes goes, and nothing else', 'a=1 b=2', 'b=2', 'a=1 b=2 c=3', 'b=2 c=3'],
  ['what both remove goes', 'a=1 b=2', 'b=2', 'b=2', 'b=2'],
  ['what one moves to another digest is moved', 'a=1 b=2', 'a=3 b=2', 'a=1 b=2 c=3', 'a=3 b=2 c=3'],
  ['of two who move one name the later counts', 'a=1', 'a=2', 'a=3', 'a=2'],
  ['a name that others removed is there again where it is moved', 'a=1', 'a=2', '', 'a=2'],
  ['a name that others moved goes where it is removed', 'a=1', '', 'a=2', ''],
  ['entries without a name are told apart by digest', '=1', '=1 =2', '=1 =3', '=1 =3 =2'],
  ['an entry that loses its name is another', 'a=1', 'a=2 =1', 'a=1 b=4', 'a=2 b=4 =1'],
  ['two digests under one name are one entry', 'a=1 a=2', 'a=1 a=3', 'a=1 a=2 b=4', 'a=1 a=3 b=4'],
  ['without a change all stays', 'a=1', 'a=1', 'b=2', 'b=2'],
];

for (const [title, base, written, now, merged] of CASES)
  test(title, (t) => t.is(textOf(mergeIndexes(index(base), index(written), index(now))), merged));

test('fields and annotations of the index are merged one by one', (t) => {
  const base = index('', { mediaType: 'm', annotations: { a: '1', b: '1', c: '1' } });
  const written = index('', { mediaType: 'm', annotations: { a: '2', b: '1', d: '1' } });
  const now = index('', { annotations: { a: '1', b: '3', c: '1', e: '1' }, artifactType: 'x' });
  const { manifests, ...fields } = mergeIndexes(base, written, now);
  t.deepEqual(manifests, []);
  t.deepEqual(fields, {
    schemaVersion: 2,
    annotations: { a: '2', b: '3', e: '1', d: '1' },
    artifactType: 'x',
  });
});

test('writers who add names of their own lose none, whatever they had read', (t) => {
  const writers = fc.array(fc.record({ read: fc.nat(20), names: fc.uniqueArray(fc.nat(30)) }), {
    maxLength: 12,
  });
  const property = fc.property(writers, (all) => {
    const versions = [index('')];
    for (const [number, { read, names }] of all.entries()) {
      const base = versions[Math.min(read, versions.length - 1)] ?? index('');
      const added = names.map((name) => entry(`w${number}-${name}=1`));
      const now = versions.at(-1) ?? base;
      versions.push(mergeIndexes(base, { ...base, manifests: [...base.manifests, ...added] }, now));
    }
    const expected = all.flatMap(({ names }, number) => names.map((name) => `w${number}-${name}=1`));
    return textOf(versions.at(-1) ?? index('')) === expected.join(' ');
  });
  t.notThrows(() => fc.assert(property, propertySettings(t, 300)));
});

const BASES: readonly [title: string, read: readonly string[], written: string, base: number][] = [
  ['a text is made of the last one that was read', ['a=1', 'a=1 b=2'], 'a=1 b=2 c=3', 1],
  ['… or of an earlier one, where that is closer', ['a=1', 'a=1 b=2'], 'a=1 c=3', 0],
  ['… but not of one that it leaves as it was', ['a=1', 'a=1 b=2'], 'a=1', 1],
  ['… of two that are as close the later one', ['a=1', 'b=1'], 'c=1', 1],
];

for (const [title, read, written, base] of BASES)
  test(title, (t) => {
    const snapshots = read.map((text, version) => ({
      bytes: Buffer.alloc(0),
      index: index(text),
      writtenAt: new Date(0),
      version,
    }));
    t.is(chooseBase(snapshots, index(written))?.version, base);
  });
