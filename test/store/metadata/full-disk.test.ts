import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { Level } from 'level';
import { bind } from '../../../store/libc.js';
import { smallDisk } from '../../e2e/disk.js';
import { errnoFrom } from '../../helpers/errno.js';
import { put, rowsOf, temporaryTenant, untilWhole } from './tenant.js';

const execute = promisify(execFile);
// Only root mounts disks.
const rooted = process.getuid?.() === 0 ? test.serial : test.serial.skip;

const FILLER = 'filler';

/** Takes all the space there is. */
function fill(disk: string): void {
  const fd = fs.openSync(join(disk, FILLER), 'a');
  try {
    for (let size = 1 << 20; size > 0; size >>= size > 1 ? 4 : 1) {
      const zeros = Buffer.alloc(size);
      try {
        while (fs.writeSync(fd, zeros) === size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    fs.closeSync(fd);
  }
}

function empty(disk: string): void {
  fs.rmSync(join(disk, FILLER));
}

/** Does it until it is refused; how often it was done before, and the errno. */
async function untilRefused(
  action: (time: number) => Promise<void>,
): Promise<{ done: number; errno: string }> {
  for (let done = 0; done < 10_000; done++) {
    const errno = await errnoFrom(() => action(done));
    if (errno !== 'OK') return { done, errno };
  }
  throw new Error('it is never refused');
}

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

const ioctl = bind('int ioctl(int, unsigned long, void*)');
const EXT4_IOC_SHUTDOWN = 0x8004587d;
const NOLOGFLUSH = Buffer.of(2, 0, 0, 0);

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
    const fd = fs.openSync(disk, 'r');
    ioctl(fd, EXT4_IOC_SHUTDOWN, NOLOGFLUSH);
    fs.closeSync(fd);
    t.is(await errnoFrom(() => database.batch([put('after', '')])), 'EIO');
    await database.close();
    await execute('umount', [disk]);
    await execute('mount', ['-o', 'loop', join(dirname(disk), 'image'), disk]);
    const again = tenant.open();
    t.true(await again.whole());
    t.deepEqual(await rowsOf(again), tenant.truth);
    await again.close();
  }
  t.deepEqual([tenant.damaged, tenant.rebuilds], [[], 1]);
});
