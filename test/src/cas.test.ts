import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { type Place, locateStore } from '../../src/cas/locate.js';
import { type Column, type Format, humanSize, Output } from '../../src/cas/output.js';
import { Failure } from '../../src/failure.js';
import { parseMounts } from '../../fs/mounts.js';

interface Row {
  readonly name: string;
  readonly size: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'SIZE', value: ({ size }) => size, shown: ({ size }) => humanSize(size) },
];

async function written(format: Format, use: (output: Output) => Promise<void>): Promise<string> {
  const stream = new PassThrough();
  const all = text(stream);
  await use(new Output(format, stream));
  stream.end();
  return all;
}

function rows(...names: string[]): AsyncIterable<Row> {
  return Readable.from(names.map((name) => ({ name, size: 2048 })));
}

test('a list is a table on a terminal', async (t) => {
  const shown = await written('table', (output) => output.list(rows('a', 'longer'), COLUMNS));
  t.is(shown, 'NAME    SIZE\na       2.0 KiB\nlonger  2.0 KiB\n');
});

test('a list is exact and tab-separated, without a title, elsewhere', async (t) => {
  t.is(await written('text', (output) => output.list(rows('a', 'b'), COLUMNS)), 'a\t2048\nb\t2048\n');
});

test('a list is one JSON object per line on request', async (t) => {
  const shown = await written('json', (output) => output.list(rows('a', 'b'), COLUMNS));
  t.is(shown, '{"name":"a","size":2048}\n{"name":"b","size":2048}\n');
});

test('a list that is longer than what is measured is written to its end', async (t) => {
  const names = Array.from({ length: 2500 }, (_, index) => `name-${index}`);
  const shown = await written('table', (output) => output.list(rows(...names), COLUMNS));
  t.is(shown.trimEnd().split('\n').length, 2501);
});

for (const format of ['table', 'text', 'json'] as const) {
  test(`a hostile name stays on its line in the format ${format}`, async (t) => {
    const hostile = 'a\nb\tc\u001b[2J\u202e';
    const shown = await written(format, (output) => output.list(rows(hostile), COLUMNS));
    const last = shown.trimEnd().split('\n').at(-1) ?? '';
    t.notRegex(last.replace('\t2048', ''), /[\p{Cc}\p{Cf}]/u);
    if (format === 'json') t.is((JSON.parse(last) as Row).name, hostile);
  });
}

test('a record is one field per line, nested ones by their path', async (t) => {
  const value = { pid: 7, store: { path: '/s', list: [1] } };
  t.is(await written('text', (output) => output.record(value)), 'pid\t7\nstore.path\t/s\n');
  t.is(await written('table', (output) => output.record(value)), 'pid         7\nstore.path  /s\n');
  t.is(await written('json', (output) => output.record(value)), `${JSON.stringify(value)}\n`);
});

for (const [bytes, shown] of [
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536 * 1024 ** 2, '1.5 GiB'],
] as const) {
  test(`${bytes} bytes are shown as ${shown}`, (t) => {
    t.is(humanSize(bytes), shown);
  });
}

const directory = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'cas-mount-locate-')));
test.after.always(() => rmSync(directory, { recursive: true }));

const ROOT = '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n';
const ONE = '40 27 0:41 / /mnt/one rw,nosuid - fuse.cas-mount /srv/a\\040store rw,user_id=0\n';
const TWO = '41 27 0:42 / /mnt/two rw,nosuid - fuse.cas-mount /srv/two rw,user_id=0\n';
const OVER = '42 40 0:43 / /mnt/one/tmp rw - tmpfs tmpfs rw\n';

function locate(mountinfo: string, place: Partial<Place>): string {
  return locateStore({ env: {}, cwd: '/', ...place }, parseMounts(mountinfo));
}

test('the store is the one that is named', (t) => {
  t.is(locate(ROOT + ONE, { root: directory, env: { CAS_MOUNT_ROOT: '/other' } }), directory);
  t.is(locate(ROOT + ONE, { root: path.basename(directory), cwd: os.tmpdir() }), directory);
  t.is(locate(ROOT + ONE, { env: { CAS_MOUNT_ROOT: directory }, cwd: '/mnt/one' }), directory);
});

test('the store is that of a mount that is named', (t) => {
  t.is(
    locate(ROOT + ONE + TWO, { mount: '/mnt/one/blobs', env: { CAS_MOUNT_ROOT: directory } }),
    '/srv/a store',
  );
  t.throws(() => locate(ROOT + ONE + OVER, { mount: '/mnt/one/tmp/x' }), {
    message: /not in a mounted store/,
  });
});

test('the store is that of the mount the current directory is in, else that of the only mount', (t) => {
  t.is(locate(ROOT + ONE + TWO, { cwd: '/mnt/two/ingest' }), '/srv/two');
  t.is(locate(ROOT + TWO, { cwd: '/mnt/twofold' }), '/srv/two');
  t.is(locate(ROOT + ONE + OVER, { cwd: '/mnt/one/tmp' }), '/srv/a store');
});

test('several mounts and no name: the stores to choose from are told', (t) => {
  const failure = t.throws(() => locate(ROOT + ONE + TWO, {}), { instanceOf: Failure });
  t.is(failure.exit, 2);
  t.regex(failure.message, /\/srv\/a store, \/srv\/two/);
});

test('no mount and no store: exit code 10', (t) => {
  const env = { HOME: directory, XDG_DATA_HOME: directory, CAS_MOUNT_ROOT: path.join(directory, 'none') };
  const failure = t.throws(() => locate(ROOT, { env }), { instanceOf: Failure });
  t.is(failure.exit, 10);
});
