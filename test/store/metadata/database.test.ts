import fs from 'node:fs';
import { once } from 'node:events';
import test from 'ava';
import { errnoFrom } from '../../helpers/errno.js';
import { drop, put, rowsOf, SPACE, temporaryTenant, untilWhole } from './tenant.js';

test('what was written and removed is so when the database is opened again', async (t) => {
  const tenant = temporaryTenant(t);
  const first = tenant.open();
  await first.batch([put('a', '1'), put('b', '2'), put('empty', '')]);
  await first.batch([drop('b'), put('a', '3'), put('ü', '\0'), drop('none')]);
  await untilWhole(first);
  await first.close();
  const second = tenant.open();
  t.true(await second.whole());
  t.deepEqual(
    [...(await rowsOf(second))],
    [
      ['a', '3'],
      ['empty', ''],
      ['ü', '\0'],
    ],
  );
  t.is((await second.get(put('a', '').key))?.toString(), '3');
  t.is(await second.get(put('b', '').key), undefined);
  t.deepEqual(tenant.complaints, []);
});

test('rows with a prefix are read in the order of their keys, as they were at the first one', async (t) => {
  const database = temporaryTenant(t).open();
  const keys = Array.from({ length: 2500 }, (_, index) => `p${String(index).padStart(5, '0')}`);
  await database.batch([...keys.toReversed().map((key) => put(key, key)), put('o', ''), put('q', '')]);
  const found: string[] = [];
  for await (const rows of database.iterate(Buffer.from('Tp'))) {
    if (found.length === 0) await database.batch([drop('p02400'), put('p02401x', '')]);
    found.push(...rows.map(([key]) => key.subarray(1).toString()));
  }
  t.deepEqual(found, keys);
  await database.batch([{ key: Buffer.from([84, 255]), value: Buffer.of() }]);
  const last = await database.iterate(Buffer.from([84, 255])).next();
  t.is((last.value as unknown[]).length, 1);
});

test('batches that are given at once are all written, and of each key the last', async (t) => {
  const tenant = temporaryTenant(t);
  const database = tenant.open();
  await Promise.all(
    Array.from({ length: 3000 }, (_, index) => database.batch([put(`k${index % 1000}`, `${index}`)])),
  );
  await untilWhole(database);
  await database.close();
  const rows = await rowsOf(tenant.open());
  t.is(rows.size, 1000);
  t.true([...rows].every(([key, value]) => Number(value) === Number(key.slice(1)) + 2000));
});

test('nothing is made before a database is used, and nothing is done after it is closed', async (t) => {
  const tenant = temporaryTenant(t);
  const database = tenant.open();
  t.deepEqual(fs.readdirSync(tenant.root), []);
  await database.close();
  t.deepEqual(fs.readdirSync(tenant.root), []);
  await t.throwsAsync(database.batch([put('a', '')]), { code: 'METADATA_UNAVAILABLE' });
  await t.throwsAsync(database.get(put('a', '').key), { code: 'METADATA_UNAVAILABLE' });
  await database.close();
});

test('a database is built when it is first used, and again when it is of other contents', async (t) => {
  const tenant = temporaryTenant(t);
  for (let index = 0; index < 250; index++) tenant.truth.set(`k${index}`, `${index}`);
  const first = tenant.open();
  t.false(await first.whole(), 'it is not whole while it is built');
  await untilWhole(first);
  t.deepEqual(await rowsOf(first), new Map([...tenant.truth].sort()));
  await first.close();
  const same = tenant.open();
  t.true(await same.whole());
  await same.close();
  t.is(tenant.rebuilds, 1);
  tenant.truth.clear();
  const other = tenant.open({ contents: 'other' });
  await untilWhole(other);
  t.is(tenant.rebuilds, 2);
  t.is((await rowsOf(other)).size, 0);
  t.deepEqual(tenant.complaints, []);
  t.deepEqual(tenant.damaged, []);
});

test('a build that is cut off starts again when the database is next opened', async (t) => {
  const tenant = temporaryTenant(t);
  tenant.truth.set('a', '1');
  const first = tenant.open({
    rebuild: async (write, signal) => {
      await write([put('a', '1'), put('left over', '')]);
      if (!signal.aborted) await once(signal, 'abort');
      signal.throwIfAborted();
    },
  });
  await first.batch([put('meanwhile', '')]);
  t.false(await first.whole());
  await first.close();
  const second = tenant.open();
  t.false(await second.whole());
  await untilWhole(second);
  t.deepEqual([...(await rowsOf(second))], [['a', '1']]);
  t.deepEqual(tenant.complaints, []);
});

test('a build that fails is reported, and tried again when somebody asks', async (t) => {
  const tenant = temporaryTenant(t);
  let failures = 0;
  const database = tenant.open({
    rebuild: (write) => (failures++ === 0 ? Promise.reject(new Error('no')) : tenant.rebuild(write)),
  });
  tenant.truth.set('a', '1');
  await untilWhole(database);
  t.deepEqual(tenant.complaints, ['the metadata database is not rebuilt']);
  t.deepEqual([...(await rowsOf(database))], [['a', '1']]);
});

test('what is written while a database is built is kept', async (t) => {
  const tenant = temporaryTenant(t);
  for (let index = 0; index < 2000; index++) tenant.truth.set(`old${index}`, '');
  const database = tenant.open();
  await Promise.all(Array.from({ length: 100 }, (_, index) => database.batch([put(`new${index}`, '')])));
  await untilWhole(database);
  t.is((await rowsOf(database, 'new')).size, 100);
  t.is((await rowsOf(database, 'old')).size, 2000);
});

test('where no database can be made every use fails with the errno, and goes on once one can', async (t) => {
  const tenant = temporaryTenant(t);
  fs.writeFileSync(`${tenant.root}/in the way`, '');
  const inTheWay = temporaryTenant(t, `${tenant.root}/in the way`);
  const database = inTheWay.open();
  for (let time = 0; time < 3; time++) {
    t.is(await errnoFrom(() => database.batch([put('a', '1')])), 'ENOTDIR');
    t.is(await errnoFrom(() => database.get(SPACE)), 'ENOTDIR');
  }
  t.deepEqual(inTheWay.complaints, ['the metadata database cannot be used']);
  fs.rmSync(inTheWay.root);
  fs.mkdirSync(inTheWay.root);
  await database.batch([put('a', '1')]);
  t.deepEqual([...(await rowsOf(database))], [['a', '1']]);
  t.true(inTheWay.events.some(({ message }) => message === 'the metadata database works again'));
});
