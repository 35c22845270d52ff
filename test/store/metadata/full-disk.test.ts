import fs from 'node:fs';
import { join } from 'node:path';
import { Level } from 'level';
import { smallDisk } from '../../e2e/disk.js';
import { cutPower, empty, fill, mountAgain, rooted } from '../../helpers/disks.js';
import { errnoFrom, untilRefused } from '../../helpers/errno.js';
import { put, rowsOf, temporaryTenant, untilWhole } from './tenant.js';

rooted(
  'a full disk is ENOSPC; once there is room all goes on by itself, and nothing acknowledged is lost',
  async (t) => {
    const disk = await smallDisk(t, 16);
    const tenant = temporaryTenant(t, disk);
    let database = tenant.open();
    await untilWhole(database);
    const value = 'x'.repeat(4000);
    for (let round = 0; round < 20; round++) {
      const write = async (row: number): Promise<void> => {
        const key = `${round} ${row}`;
        await database.batch([put(key, value)]);
        tenant.truth.set(key, value);
      };
      fill(disk);
      const { errno } = await untilRefused(write);
      t.is(errno, 'ENOSPC');
      // Some are refused, and some may find room that opening the database again has made.
      for (let row = 0; row < 5; row++) await errnoFrom(() => write(20_000 + row));
      empty(disk);
      for (let row = 0; row < 5; row++) await write(30_000 + row);
      if (round % 4 === 0) {
        await database.close();
        database = tenant.open();
      }
      const rows = await rowsOf(database);
      t.deepEqual(
        [...tenant.truth].filter(([key, expected]) => rows.get(key) !== expected).map(([key]) => key),
        [],
      );
      await database.batch([...tenant.truth.keys()].map((key) => ({ key: Buffer.from(`T${key}`) })));
      tenant.truth.clear();
    }
    await database.close();
    t.true(await tenant.open().whole(), 'and no row is there that should not be');
    t.deepEqual([tenant.damaged, tenant.rebuilds], [[], 1]);
    t.true(tenant.complaints.every((message) => message === 'the metadata database cannot be used'));
  },
);

rooted('LevelDB by itself acknowledges after a full disk what it cannot read back', async (t) => {
  const disk = await smallDisk(t, 16);
  const level = new Level(join(disk, 'rows'));
  await level.open();
  fill(disk);
  const value = 'x'.repeat(4000);
  const { errno } = await untilRefused(async (row) => {
    await level.put(`early ${row}`, value, { sync: true }).catch((error: unknown) => {
      throw Object.assign(error as Error, { errno: 28, syscall: 'put' });
    });
  });
  t.is(errno, 'ENOSPC');
  empty(disk);
  for (let row = 0; row < 50; row++) await level.put(`late ${row}`, value, { sync: true });
  await level.close();
  const again = new Level(join(disk, 'rows'));
  const late = await again.keys({ gte: 'late', lt: 'latf' }).all();
  await again.close();
  t.true(late.length < 50, `${late.length} of 50 acknowledged rows are there`);
  t.log(`${late.length} of 50`);
});

rooted('a database that is damaged while the disk is full is rebuilt once there is room', async (t) => {
  const disk = await smallDisk(t, 16);
  const tenant = temporaryTenant(t, disk);
  let database = tenant.open();
  await untilWhole(database);
  await database.batch([put('a', '1')]);
  tenant.truth.set('a', '1');
  await database.close();
  fs.rmSync(join(tenant.path, 'witness'));
  fill(disk);
  database = tenant.open();
  t.is(await errnoFrom(() => database.batch([put('b', '2')])), 'ENOSPC');
  t.is(await errnoFrom(() => database.whole()), 'ENOSPC');
  empty(disk);
  await untilWhole(database);
  t.deepEqual([...(await rowsOf(database))], [['a', '1']]);
  t.is(tenant.damaged.length, 1);
  t.deepEqual(tenant.complaints, [
    'the metadata database cannot be used',
    'the metadata database was damaged and is rebuilt',
  ]);
});

rooted('what was acknowledged is there after a power cut', async (t) => {
  const disk = await smallDisk(t, 16);
  const tenant = temporaryTenant(t, disk);
  for (let round = 0; round < 5; round++) {
    const database = tenant.open();
    await untilWhole(database);
    for (let row = 0; row < 10; row++) {
      await database.batch([put(`${round} ${row}`, `${row}`)]);
      tenant.truth.set(`${round} ${row}`, `${row}`);
    }
    cutPower(disk);
    t.is(await errnoFrom(() => database.batch([put('after', '')])), 'EIO');
    await database.close();
    await mountAgain(disk);
    const again = tenant.open();
    t.true(await again.whole());
    t.deepEqual(await rowsOf(again), tenant.truth);
    await again.close();
  }
  t.deepEqual([tenant.damaged, tenant.rebuilds], [[], 1]);
});
