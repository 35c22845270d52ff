import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { Digest } from '../../store/digest.js';
import type { StoreEvent } from '../../store/report.js';
import { errnoFrom } from '../helpers/errno.js';
import { temporaryStore, type TemporaryStore } from '../helpers/stores.js';
import { commit, find, set, setfattr, untilIndexed } from './label-tools.js';
import { keysByLevelDb } from './metadata/tenant.js';

/** The rows of the index as LevelDB has them, after the store was closed. */
async function indexRows(opened: TemporaryStore): Promise<string[]> {
  await opened.close();
  const keys = await keysByLevelDb(join(opened.root, 'meta', 'rows'));
  return keys.filter((key) => key.startsWith('L'));
}

for (const [how, ready] of [
  ['by the index', untilIndexed],
  ['while there is no index yet', () => Promise.resolve()],
] as const) {
  test(`blobs are found by a label, its value, and several at once, ${how}`, async (t) => {
    const { store } = await temporaryStore(t);
    const [a, b, c] = [
      await commit(store, 'a'),
      await commit(store, 'b'),
      await commit(store, 'c', 'blake3'),
    ];
    await commit(store, 'no labels');
    await ready(store);
    await set(store, a, 'k', 'v');
    await set(store, b, 'k', 'other');
    await set(store, c, 'k', 'v');
    await set(store, c, 'x/y.z', '');
    await set(store, b, 'x/y.z', '1');
    await set(store, a, 'k2', 'v');
    t.deepEqual(await find(store, 'k'), [a, b, c].sort());
    t.deepEqual(await find(store, 'k=v'), [a, c].sort());
    t.deepEqual(await find(store, 'k=other'), [b]);
    t.deepEqual(await find(store, 'k=none'), []);
    t.deepEqual(await find(store, 'none'), []);
    t.deepEqual(await find(store, 'x/y.z='), [c]);
    t.deepEqual(await find(store, 'k', 'x/y.z'), [b, c].sort());
    t.deepEqual(await find(store, 'x/y.z', 'k=v'), [c]);
    t.deepEqual(await find(store, 'k2', 'x/y.z'), []);
    const blake3: string[] = [];
    for await (const { digest, size } of store.labels.find([{ key: 'k' }], ['blake3']))
      blake3.push(`${digest} ${size}`);
    t.deepEqual(blake3, [`${c} 1`]);
  });
}

test('values of any bytes and length are told apart', async (t) => {
  const opened = await temporaryStore(t);
  const { store } = opened;
  await untilIndexed(store);
  const values = [
    '',
    'v',
    'v\0',
    'v\0=w',
    'w',
    'v\0w\0',
    'ü',
    'x'.repeat(127),
    'x'.repeat(128),
    'x'.repeat(129),
    'x'.repeat(3000),
  ];
  const digests: Digest[] = [];
  for (const value of values) {
    const digest = await commit(store, `with ${value}`);
    await set(store, digest, 'k', value);
    digests.push(digest);
  }
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => 255 - byte));
  const binary = await commit(store, 'binary');
  await set(store, binary, 'k', bytes);
  for (const [index, value] of values.entries()) {
    const found = await find(store, { key: 'k', value: Buffer.from(value) });
    t.deepEqual(found, [digests[index]], JSON.stringify(value.slice(0, 10)));
  }
  t.is((await find(store, 'k')).length, values.length + 1);
  t.deepEqual(await find(store, { key: 'k', value: bytes }), [binary]);
  t.is((await indexRows(opened)).length, values.length + 1);
});

test('a label that is replaced or removed, and one of a blob that is removed, has no row any more', async (t) => {
  const opened = await temporaryStore(t);
  const { store } = opened;
  const [a, b] = [await commit(store, 'a'), await commit(store, 'b')];
  await untilIndexed(store);
  await set(store, a, 'k', 'first');
  await set(store, a, 'k', 'second');
  await set(store, a, 'gone', 'v');
  await set(store, b, 'k', 'second');
  await store.labels.remove(a, 'gone');
  await store.blobs.remove(b);
  t.deepEqual(await find(store, 'k=first'), []);
  t.deepEqual(await find(store, 'gone'), []);
  t.deepEqual(await find(store, 'k'), [a]);
  await commit(store, 'b');
  t.deepEqual(await find(store, 'k'), [a], 'a blob that is committed again has none');
  t.deepEqual(await indexRows(opened), [`Lk\0=second\0${a}`]);
});

test('a label that is refused leaves no row', async (t) => {
  const opened = await temporaryStore(t);
  const { store } = opened;
  const [XATTR_CREATE, XATTR_REPLACE] = [1, 2];
  const a = await commit(store, 'a');
  await set(store, a, 'k', 'v');
  t.is(await errnoFrom(() => store.labels.set(a, 'k', Buffer.from('w'), XATTR_CREATE)), 'EEXIST');
  t.is(await errnoFrom(() => store.labels.set(a, 'none', Buffer.from('w'), XATTR_REPLACE)), 'ENODATA');
  t.is(await errnoFrom(() => store.labels.remove(a, 'none')), 'ENODATA');
  t.is(await errnoFrom(() => set(store, a, 'k'.repeat(300), 'v')), 'ERANGE');
  await store.blobs.remove(a);
  t.is(await errnoFrom(() => set(store, a, 'k', 'v')), 'ENOENT');
  t.is(await errnoFrom(() => store.labels.remove(a, 'k')), 'ENOENT');
  t.is(await errnoFrom(() => store.blobs.remove(a)), 'ENOENT');
  t.deepEqual(await indexRows(opened), []);
});

test('rows of blobs and labels that vanished by other ways are looked past, and removed', async (t) => {
  const opened = await temporaryStore(t);
  const { store } = opened;
  const [a, b, c] = [await commit(store, 'a'), await commit(store, 'b'), await commit(store, 'c')];
  await untilIndexed(store);
  for (const digest of [a, b, c]) await set(store, digest, 'k', 'v');
  fs.rmSync(store.blobs.path(a));
  setfattr(store.blobs.path(b), 'k', 'w');
  t.deepEqual(await find(store, 'k=v'), [c]);
  t.deepEqual(await indexRows(opened), [`Lk\0=v\0${c}`]);
});

test('a store with labels but without an index, as of an older version, has one made', async (t) => {
  const opened = await temporaryStore(t);
  const a = await commit(opened.store, 'a');
  setfattr(opened.store.blobs.path(a), 'k', 'v');
  t.false(fs.existsSync(join(opened.root, 'meta')), 'nothing is made before labels are used');
  t.deepEqual(await find(opened.store, 'k'), [a]);
  await untilIndexed(opened.store);
  t.deepEqual(await find(opened.store, 'k=v'), [a]);
  t.deepEqual(await indexRows(opened), [`Lk\0=v\0${a}`]);
});

test('where the index cannot be used labels are found and removed all the same, and none is set', async (t) => {
  const events: StoreEvent[] = [];
  const { store, root } = await temporaryStore(t, { report: (event) => events.push(event) });
  const [a, b] = [await commit(store, 'a'), await commit(store, 'b')];
  for (const digest of [a, b]) setfattr(store.blobs.path(digest), 'k', 'v');
  fs.writeFileSync(join(root, 'meta'), 'in the way');
  t.is(await errnoFrom(() => set(store, a, 'l', 'v')), 'ENOTDIR');
  t.deepEqual(await find(store, 'k=v'), [a, b].sort());
  await store.labels.remove(a, 'k');
  await store.blobs.remove(b);
  t.deepEqual(await find(store, 'k'), []);
  t.deepEqual(
    events.map(({ level }) => level),
    ['error'],
  );
  fs.rmSync(join(root, 'meta'));
  await set(store, a, 'l', 'v');
  t.deepEqual(await find(store, 'l'), [a]);
});

test('labels that are set and removed while a damaged index is replaced are all as the attributes say', async (t) => {
  const events: StoreEvent[] = [];
  const opened = await temporaryStore(t, { report: (event) => events.push(event) });
  const digests: Digest[] = [];
  for (let blob = 0; blob < 20; blob++) digests.push(await commit(opened.store, `blob ${blob}`));
  await untilIndexed(opened.store);
  for (const digest of digests) await set(opened.store, digest, 'old', 'v');
  for (let round = 0; round < 5; round++) {
    await opened.close();
    fs.rmSync(join(opened.root, 'meta', 'witness'));
    const store = await opened.reopen();
    let state = round + 1;
    const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
    const changes = Array.from({ length: 300 }, async () => {
      const digest = digests[random(digests.length)] ?? digests[0];
      const key = `k${random(3)}`;
      if (digest === undefined) return;
      if (random(3) === 0) await store.labels.remove(digest, key).catch(() => undefined);
      else await set(store, digest, key, `v${random(4)}`);
    });
    await Promise.all([...changes, find(store, 'old')]);
    await untilIndexed(store);
    for (const key of ['k0', 'k1', 'k2', 'old']) {
      const dump = execFileSync(
        'getfattr',
        ['--absolute-names', '-dR', join(opened.root, 'blobs', 'sha256')],
        { encoding: 'utf8' },
      );
      const files = dump.split('\n\n').filter((file) => file.includes(`user.cas.label.${key}=`));
      const expected = files.map((file) => `sha256:${/^# file: .*\/(.*)$/m.exec(file)?.[1] ?? ''}`);
      t.deepEqual(await find(store, key), expected.sort());
    }
  }
  t.is(events.filter(({ level }) => level === 'warn').length, 5);
  t.is(fs.readdirSync(join(opened.root, 'damaged')).length, 3);
});
