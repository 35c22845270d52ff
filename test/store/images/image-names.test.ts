import test from 'ava';
import type { Descriptor } from '../../../store/images/descriptor.js';
import { ImageNames } from '../../../store/images/image-names.js';

const REF = 'org.opencontainers.image.ref.name';
const FULL = 'io.containerd.image.name';

function entry(digit: string, annotations?: Record<string, string>): Descriptor {
  return { digest: `sha256:${digit.repeat(64)}`, size: 1, ...(annotations && { annotations }) };
}

function digests(names: ImageNames, path: string): string {
  const found = names.at(path.split('/'))?.entries;
  return found?.map(({ digest }) => digest[7]).join('') ?? 'none';
}

test('names are paths; one may begin another, and all are found', (t) => {
  const names = new ImageNames([
    entry('1', { [REF]: 'a' }),
    entry('2', { [REF]: 'a/b' }),
    entry('3', { [REF]: 'docker.io/library/debian:12' }),
    entry('4', { [REF]: '名/é:☃' }),
    entry('5', { [REF]: 'a' }),
  ]);
  t.deepEqual([...(names.at([])?.children.keys() ?? [])], ['a', 'docker.io', '名']);
  t.deepEqual(
    ['a', 'a/b', 'docker.io/library/debian:12', '名/é:☃'].map((path) => digests(names, path)),
    ['15', '2', '3', '4'],
  );
  t.is(digests(names, 'docker.io'), '');
  t.is(digests(names, 'a/c'), 'none');
  t.is(digests(names, `sha256:${'3'.repeat(64)}`), '3');
  t.deepEqual(
    [...names.all()].map(([path]) => path),
    ['a', 'a/b', 'docker.io/library/debian:12', '名/é:☃'],
  );
  t.throws(() => names.require('docker.io'), { message: /index.json has no such image/ });
});

test('names that can be no paths are not shown; their entries are, by their digests', (t) => {
  const wrong = [
    '..',
    'a/../b',
    '/a',
    'a/',
    'a//b',
    'a\nb',
    'x'.repeat(256),
    '\ud800',
    'y/'.repeat(1100) + 'y',
  ];
  const names = new ImageNames(wrong.map((name, index) => entry(index.toString(16), { [REF]: name })));
  t.deepEqual(
    [...(names.at([])?.children.keys() ?? [])],
    wrong.map((_, index) => entry(index.toString(16)).digest),
  );
  t.is(digests(names, '..'), 'none');
});

test('an entry without a name is shown by its digest, one of containerd by its name in full', (t) => {
  const names = new ImageNames([
    entry('1'),
    entry('2', { [REF]: '12', [FULL]: 'docker.io/library/debian:12' }),
    { digest: 'md5:00', size: 1 },
  ]);
  t.deepEqual(
    [...names.all()].map(([path]) => path),
    ['docker.io/library/debian:12', `sha256:${'1'.repeat(64)}`],
  );
  t.is(digests(names, '12'), '2');
  t.is(names.entries.length, 2);
});
