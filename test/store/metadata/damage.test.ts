import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { errnoFrom } from '../../helpers/errno.js';
import { seededBytes } from '../../helpers/bytes.js';
import { runChild } from '../../helpers/processes.js';
import { keysByLevelDb, put, rowsOf, Tenant, temporaryTenant, untilWhole } from './tenant.js';

const DAMAGED = 'the metadata database was damaged and is rebuilt';
const ROWS = 2000;
/** The first half is in a table, the rest in the log. */
const IN_TABLE = ROWS / 2;

const directory = fs.mkdtempSync(join(tmpdir(), 'cas-test-'));
test.after.always(() => fs.rmSync(directory, { recursive: true }));
let made: Promise<Tenant> | undefined;

/** A tenant whose database was closed well: rows in a table and in the log, none of them compressible. */
async function closedTenant(t: ExecutionContext): Promise<Tenant> {
  const template = await (made ??= makeTemplate());
  const tenant = temporaryTenant(t);
  fs.cpSync(template.path, tenant.path, { recursive: true });
  for (const [key, value] of template.truth) tenant.truth.set(key, value);
  return tenant;
}

async function makeTemplate(): Promise<Tenant> {
  const tenant = new Tenant(directory);
  const write = async (from: number, to: number): Promise<void> => {
    const database = tenant.open();
    await untilWhole(database);
    for (let index = from; index < to; index += 20) {
      const rows = Array.from(
        { length: 20 },
        (_, row) => [keyOf(index + row), valueOf(index + row)] as const,
      );
      await database.batch(rows.map(([key, value]) => put(key, value)));
      for (const [key, value] of rows) tenant.truth.set(key, value);
    }
    await database.close();
  };
  await write(0, IN_TABLE);
  await write(IN_TABLE, ROWS);
  for (const ending of ['.ldb', '.log']) {
    const { size } = fs.statSync(tenant.file(ending));
    if (size < 40 * IN_TABLE) throw new Error(`${ending}: ${size} bytes`);
  }
  return tenant;
}

function keyOf(index: number): string {
  return `key ${String(index).padStart(5, '0')}`;
}

function valueOf(index: number): string {
  return seededBytes(20, index + 1).toString('hex');
}

/** Opens the database as it is now and asserts that all rows are there. */
async function allThere(t: ExecutionContext, tenant: Tenant): Promise<void> {
  const database = tenant.open();
  await untilWhole(database);
  t.deepEqual(await rowsOf(database), tenant.truth);
  for (let index = 0; index < ROWS; index += 7)
    t.is((await database.get(put(keyOf(index), '').key))?.toString(), valueOf(index));
  await database.batch([put('more', 'of it')]);
  tenant.truth.set('more', 'of it');
  await database.close();
}

/** Changes a file in place: LevelDB may have it mapped. */
function change(path: string, edit: (bytes: Buffer) => Buffer): void {
  fs.writeFileSync(path, edit(fs.readFileSync(path)), { flag: 'r+' });
}

function flipAt(path: string, where: (bytes: Buffer) => number): void {
  change(path, (bytes) => {
    const at = where(bytes);
    if (at < 0) throw new Error(`${path}: nothing to damage`);
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    return bytes;
  });
}

const middle = ({ length }: Buffer): number => length >> 1;
const half = (path: string): void => fs.truncateSync(path, fs.statSync(path).size >> 1);
const current = (tenant: Tenant): string => join(tenant.path, 'rows', 'CURRENT');
const manifest = (tenant: Tenant): string =>
  join(tenant.path, 'rows', fs.readFileSync(current(tenant), 'utf8').trim());
const witness = (tenant: Tenant): string => join(tenant.path, 'witness');

/** Damage of which each kind must be found when the database is opened, or in the scan that follows. */
const DAMAGE: Readonly<Record<string, (tenant: Tenant) => void>> = {
  'a flipped bit at the start of the log': (tenant) => flipAt(tenant.file('.log'), () => 40),
  'a flipped bit in the middle of the log': (tenant) => flipAt(tenant.file('.log'), middle),
  'a flipped bit in the last record of the log': (tenant) =>
    flipAt(tenant.file('.log'), ({ length }) => length - 5),
  'a log without its last byte': (tenant) =>
    fs.truncateSync(tenant.file('.log'), fs.statSync(tenant.file('.log')).size - 1),
  'a log that was cut in half': (tenant) => half(tenant.file('.log')),
  'an empty log': (tenant) => fs.truncateSync(tenant.file('.log')),
  'a log with zeros in the middle': (tenant) =>
    change(tenant.file('.log'), (bytes) => bytes.fill(0, middle(bytes), middle(bytes) + 4096)),
  'no log': (tenant) => fs.rmSync(tenant.file('.log')),
  'a flipped bit in the middle of a table': (tenant) => flipAt(tenant.file('.ldb'), middle),
  'a flipped bit in a value of a table': (tenant) =>
    flipAt(tenant.file('.ldb'), (bytes) => bytes.indexOf(valueOf(500))),
  'a flipped bit in a key of a table': (tenant) =>
    flipAt(tenant.file('.ldb'), (bytes) => bytes.indexOf(valueOf(500)) - 8),
  'a table that was cut in half': (tenant) => half(tenant.file('.ldb')),
  'an empty table': (tenant) => fs.truncateSync(tenant.file('.ldb')),
  'no table': (tenant) => fs.rmSync(tenant.file('.ldb')),
  'a table that cannot be read': (tenant) => {
    const path = tenant.file('.ldb');
    fs.rmSync(path);
    // read(2) of the first page of a process's memory is EIO.
    fs.symlinkSync('/proc/self/mem', path);
  },
  'a flipped bit in the manifest': (tenant) => flipAt(manifest(tenant), middle),
  'a manifest that was cut in half': (tenant) => half(manifest(tenant)),
  'an empty manifest': (tenant) => fs.truncateSync(manifest(tenant)),
  'no manifest': (tenant) => fs.rmSync(manifest(tenant)),
  'a flipped bit in CURRENT': (tenant) => flipAt(current(tenant), middle),
  'an empty CURRENT': (tenant) => fs.truncateSync(current(tenant)),
  'no CURRENT': (tenant) => fs.rmSync(current(tenant)),
  'no LevelDB files but an empty directory': (tenant) => {
    fs.rmSync(join(tenant.path, 'rows'), { recursive: true });
    fs.mkdirSync(join(tenant.path, 'rows'));
  },
  'no directory of LevelDB': (tenant) => fs.rmSync(join(tenant.path, 'rows'), { recursive: true }),
  'no witness': (tenant) => fs.rmSync(witness(tenant)),
  'an empty witness': (tenant) => fs.truncateSync(witness(tenant)),
  'a witness of zeros': (tenant) => change(witness(tenant), (bytes) => bytes.fill(0)),
};

for (const [what, damage] of Object.entries(DAMAGE)) {
  test(`${what}: it is found, moved aside and reported once, and all rows are there again`, async (t) => {
    const tenant = await closedTenant(t);
    damage(tenant);
    await allThere(t, tenant);
    t.deepEqual(tenant.complaints, [DAMAGED]);
    const [event] = tenant.events.filter(({ level }) => level === 'warn');
    t.like(event?.fields, { code: 'METADATA_DAMAGED', errno: 'EIO', subject: tenant.path });
    t.is(event?.fields['moved'], join(tenant.root, 'damaged', tenant.damaged[0] ?? ''));
    t.is(tenant.damaged.length, 1);
    t.is(tenant.rebuilds, 1);
    await allThere(t, tenant);
    t.is(tenant.rebuilds, 1, 'what was rebuilt lasts');
  });
}

const HARMLESS: Readonly<Record<string, (tenant: Tenant) => void>> = {
  // The filters, of 90 bytes each, lie between the last row and the index.
  'missing bits in a Bloom filter': (tenant) =>
    change(tenant.file('.ldb'), (bytes) => {
      const last = bytes.lastIndexOf(valueOf(IN_TABLE - 1).slice(-8));
      return bytes.fill(0, last + 600, last + 660);
    }),
  'no LOCK': (tenant) => fs.rmSync(tenant.file('LOCK')),
  'no LOG': (tenant) => fs.rmSync(tenant.file('LOG')),
  'garbage behind the log': (tenant) => fs.appendFileSync(tenant.file('.log'), seededBytes(1000)),
  // The batch of a slot that a crash tore was never acknowledged.
  'a torn slot of the witness': (tenant) => fs.truncateSync(witness(tenant), 4096),
  'a torn other slot of the witness': (tenant) => change(witness(tenant), (bytes) => bytes.fill(0, 0, 4096)),
};

for (const [what, damage] of Object.entries(HARMLESS)) {
  test(`${what}: all rows are there, and nothing is rebuilt`, async (t) => {
    const tenant = await closedTenant(t);
    damage(tenant);
    await allThere(t, tenant);
    t.deepEqual([tenant.complaints, tenant.damaged, tenant.rebuilds], [[], [], 0]);
  });
}

test('a database that is gone altogether is built again', async (t) => {
  const tenant = await closedTenant(t);
  fs.rmSync(tenant.path, { recursive: true });
  await allThere(t, tenant);
  t.deepEqual([tenant.complaints, tenant.damaged, tenant.rebuilds], [[], [], 1]);
});

test('damage that a read meets is EIO there, and the database is rebuilt', async (t) => {
  const tenant = await closedTenant(t);
  const table = tenant.file('.ldb');
  const database = tenant.open();
  t.is((await database.get(put(keyOf(0), '').key))?.toString(), valueOf(0));
  flipAt(table, (bytes) => bytes.indexOf(valueOf(500)));
  await t.throwsAsync(database.get(put(keyOf(500), '').key), { code: 'METADATA_DAMAGED' });
  await untilWhole(database);
  t.is((await database.get(put(keyOf(500), '').key))?.toString(), valueOf(500));
  t.deepEqual(tenant.complaints, [DAMAGED]);
});

test('damage that an iteration meets is EIO there, and the database is rebuilt', async (t) => {
  const tenant = await closedTenant(t);
  const table = tenant.file('.ldb');
  const database = tenant.open();
  await database.get(put(keyOf(0), '').key);
  flipAt(table, (bytes) => bytes.indexOf(valueOf(700)));
  t.is(await errnoFrom(() => rowsOf(database)), 'EIO');
  await untilWhole(database);
  t.deepEqual(await rowsOf(database), tenant.truth);
  t.deepEqual(tenant.complaints, [DAMAGED]);
});

test('a batch that meets damage is written into the database that takes its place', async (t) => {
  const tenant = await closedTenant(t);
  const table = tenant.file('.ldb');
  const database = tenant.open();
  await database.get(put(keyOf(0), '').key);
  flipAt(table, (bytes) => bytes.indexOf(valueOf(500)));
  tenant.truth.set(keyOf(500), 'another');
  await database.batch([put(keyOf(500), 'another')]);
  await untilWhole(database);
  t.deepEqual(await rowsOf(database), tenant.truth);
  t.deepEqual(tenant.complaints, [DAMAGED]);
});

test('of damaged databases the newest three are kept, whole', async (t) => {
  const tenant = await closedTenant(t);
  const kept: string[] = [];
  for (let time = 0; time < 5; time++) {
    fs.rmSync(witness(tenant));
    await allThere(t, tenant);
    kept.push(tenant.damaged.at(-1) ?? '');
  }
  t.deepEqual(tenant.damaged, kept.slice(-3));
  t.is(new Set(kept).size, 5);
  const keys = await keysByLevelDb(join(tenant.root, 'damaged', kept[4] ?? '', 'rows'));
  t.is(keys.length, ROWS + 1 + 1, 'the rows and their trailer');
});

test('other damaged things are left where they are', async (t) => {
  const tenant = await closedTenant(t);
  fs.mkdirSync(join(tenant.root, 'damaged'));
  for (const name of ['a', 'blobs', 'z']) fs.writeFileSync(join(tenant.root, 'damaged', name), name);
  for (let time = 0; time < 4; time++) {
    fs.rmSync(witness(tenant));
    await allThere(t, tenant);
  }
  t.is(tenant.damaged.length, 6);
  t.true(['a', 'blobs', 'z'].every((name) => tenant.damaged.includes(name)));
});

test('a database that ends three processes in a row is not tried a fourth time', async (t) => {
  const tenant = await closedTenant(t);
  const child = fileURLToPath(new URL('open-and-die.js', import.meta.url));
  for (let time = 0; time < 3; time++)
    t.is((await runChild(process.execPath, [child, tenant.root])).signal, 'SIGKILL');
  await allThere(t, tenant);
  t.deepEqual(tenant.complaints, [DAMAGED]);
  t.is(tenant.rebuilds, 1);
  for (let time = 0; time < 2; time++) await runChild(process.execPath, [child, tenant.root]);
  await allThere(t, tenant);
  for (let time = 0; time < 2; time++) await runChild(process.execPath, [child, tenant.root]);
  await allThere(t, tenant);
  t.is(tenant.rebuilds, 1, 'processes that ended well are in between');
});

// Why all this: what LevelDB does with the same files when nobody looks.
test('LevelDB by itself opens a damaged log without a word, and without the rows', async (t) => {
  const tenant = await closedTenant(t);
  const rows = join(tenant.path, 'rows');
  half(tenant.file('.log'));
  const keys = await keysByLevelDb(rows);
  t.true(keys.length > IN_TABLE && keys.length < ROWS, `${keys.length} keys`);
});

test('LevelDB by itself makes a new database where CURRENT is missing, and removes the tables', async (t) => {
  const tenant = await closedTenant(t);
  const table = tenant.file('.ldb');
  fs.rmSync(current(tenant));
  const keys = await keysByLevelDb(join(tenant.path, 'rows'));
  t.false(keys.includes(`T${keyOf(0)}`));
  t.false(fs.existsSync(table));
});
