import test from 'ava';
import type { Ingest } from '../../../store/ingest/ingest.js';
import { Names } from '../../../store/ingest/names.js';

const ingest = (name: string): Ingest => ({ name }) as unknown as Ingest;

test('the two roots are always there', (t) => {
  const names = new Names();
  t.is(names.get(''), 'directory');
  t.is(names.get('/'), 'directory');
  t.is(names.get('x'), undefined);
  t.is(names.children('x').size, 0);
});

test('a name brings the directories above it, and each is listed where it stands', (t) => {
  const names = new Names();
  const x = ingest('x');
  names.set('a/b/x', x);
  t.is(names.get('a/b/x'), x);
  t.is(names.get('a'), 'directory');
  t.is(names.get('a/b'), 'directory');
  t.deepEqual([...names.children('')], [['a', 'directory']]);
  t.deepEqual([...names.children('a')], [['b', 'directory']]);
  t.deepEqual([...names.children('a/b')], [['x', x]]);
  t.is(names.children('/').size, 0);
});

test('names below the root of the mount are apart from those below ingest', (t) => {
  const names = new Names();
  const [inside, outside] = [ingest('inside'), ingest('outside')];
  names.set('x', inside);
  names.set('/x', outside);
  t.is(names.get('x'), inside);
  t.is(names.get('/x'), outside);
  names.delete('/x');
  t.is(names.get('x'), inside);
  t.is(names.get('/x'), undefined);
});

test('a directory stays when it becomes empty, and goes only then', (t) => {
  const names = new Names();
  names.set('a/x', ingest('x'));
  t.throws(() => names.delete('a'), { code: 'DIRECTORY_NOT_EMPTY' });
  names.delete('a/x');
  t.is(names.get('a'), 'directory');
  names.set('a', 'directory');
  names.delete('a');
  t.is(names.get('a'), undefined);
  t.is(names.children('').size, 0);
});

test('all ingests are found, wherever they stand', (t) => {
  const names = new Names();
  const all = ['x', '/y', 'a/b/z', '/blobs/sha256/.tmp'].map((path) => {
    const found = ingest(path);
    names.set(path, found);
    return found;
  });
  names.set('empty/directory', 'directory');
  t.deepEqual(new Set(names.ingests()), new Set(all));
});
