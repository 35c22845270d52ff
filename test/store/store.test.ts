import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { FORMAT, openStore } from '../../store/store.js';
import { parseRef } from '../../store/ref.js';
import { keyOf } from '../../store/ingest/record.js';
import { digestOfBytes } from '../helpers/digests.js';
import { errnoFrom } from '../helpers/errno.js';
import { runChild } from '../helpers/processes.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const OPEN_STORE = fileURLToPath(new URL('open-store.js', import.meta.url));

function modeOf(path: string): string {
  return (fs.statSync(path).mode & 0o7777).toString(8);
}

test('a new store is made with all directories above it, readable by its owner alone', async (t) => {
  const root = join(temporaryDirectory(t), 'a', 'b', 'store');
  const store = await openStore(root);
  t.is(modeOf(root), '700');
  t.is(fs.readFileSync(join(root, 'format'), 'utf8'), `${FORMAT}\n`);
  t.deepEqual(fs.readdirSync(join(root, 'blobs')).sort(), ['blake3', 'sha256', 'sha512']);
  await store.close();
});

test('an existing directory is closed to others when it becomes a store', async (t) => {
  const root = temporaryDirectory(t);
  fs.chmodSync(root, 0o755);
  fs.mkdirSync(join(root, 'lost+found'));
  await (await openStore(root)).close();
  t.is(modeOf(root), '700');
  fs.chmodSync(root, 0o777);
  await (await openStore(root)).close();
  t.is(modeOf(root), '700');
});

for (const format of ['2\n', '', 'one', '1.0', '-1', '11'])
  test(`a store of format ${JSON.stringify(format)} is refused and left as it is`, async (t) => {
    const root = temporaryDirectory(t);
    fs.writeFileSync(join(root, 'format'), format);
    fs.chmodSync(root, 0o755);
    const error = await t.throwsAsync(openStore(root), { code: 'STORE_FORMAT' });
    t.true(error.message.includes(`expected ${FORMAT}`), error.message);
    t.is(await errnoFrom(() => openStore(root)), 'EPROTO');
    t.deepEqual(fs.readdirSync(root), ['format']);
    t.is(modeOf(root), '755');
  });

test('a directory with other things in it is refused and left as it is', async (t) => {
  const root = temporaryDirectory(t);
  fs.chmodSync(root, 0o755);
  fs.mkdirSync(join(root, 'blobs'));
  fs.writeFileSync(join(root, 'thesis.tex'), '');
  const error = await t.throwsAsync(openStore(root), { code: 'STORE_INVALID' });
  t.true(error.message.includes('thesis.tex'), error.message);
  t.is(await errnoFrom(() => openStore(root)), 'ENOTEMPTY');
  t.deepEqual(fs.readdirSync(root).sort(), ['blobs', 'thesis.tex']);
  t.is(modeOf(root), '755');
});

test('a file cannot be a store, nor can anything below it', async (t) => {
  const path = join(temporaryDirectory(t), 'file');
  fs.writeFileSync(path, 'mine');
  t.is(await errnoFrom(() => openStore(path)), 'ENOTDIR');
  t.is(await errnoFrom(() => openStore(join(path, 'store'))), 'ENOTDIR');
  t.is(fs.readFileSync(path, 'utf8'), 'mine');
});

test('a first start that was cut short at any point can be made again', async (t) => {
  const root = temporaryDirectory(t);
  for (const left of [[], ['lock'], ['lock', 'format.tmp']]) {
    for (const name of left) fs.writeFileSync(join(root, name), '');
    await (await openStore(root)).close();
    fs.rmSync(root, { recursive: true });
    fs.mkdirSync(root);
  }
  t.pass();
});

test("a store that one's user may not enter is refused with a reason", async (t) => {
  const directory = temporaryDirectory(t);
  const root = join(directory, 'store');
  fs.mkdirSync(root, { mode: 0o000 });
  fs.chmodSync(directory, 0o755);
  const asOther =
    process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : ['env'];
  const [program = '', ...args] = asOther;
  for (const path of [root, join(root, 'below'), join(directory, 'new')]) {
    if (process.getuid?.() !== 0 && path.endsWith('new')) continue;
    const { output } = await runChild(program, [...args, process.execPath, OPEN_STORE, path]);
    t.regex(output, /^STORE_UNREADABLE EACCES .*the store cannot be read or written/, path);
  }
  t.deepEqual(fs.readdirSync(directory), ['store']);
});

test('a store on a read-only file system is refused, and nothing is made', async (t) => {
  const directory = temporaryDirectory(t);
  const script =
    'mount -t tmpfs none "$1" && mkdir "$1/store" && mount -o remount,ro "$1" && "$2" "$3" "$1/store" && ls "$1/store"';
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const { output } = await runChild('unshare', [
    ...asRoot,
    '--mount',
    ...['sh', '-c', script, 'sh', directory, process.execPath, OPEN_STORE],
  ]);
  t.regex(output, /^STORE_UNREADABLE EROFS [^\n]*\n$/);
});

test("containerd's content root is taken over as it is", async (t) => {
  const root = temporaryDirectory(t);
  const content = Buffer.from('layer');
  const digest = await digestOfBytes(content);
  const hex = digest.slice('sha256:'.length);
  const ingest = join(root, 'ingest', keyOf(parseRef('1/default/ref')));
  for (const directory of [join(root, 'blobs', 'sha256'), join(root, 'blobs', 'md5'), ingest])
    fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(join(root, 'blobs', 'sha256', hex), content, { mode: 0o444 });
  fs.writeFileSync(join(root, 'blobs', 'sha256', 'not-a-digest'), '');
  fs.mkdirSync(join(root, 'blobs', 'sha256', 'f'.repeat(64)));
  fs.symlinkSync(hex, join(root, 'blobs', 'sha256', 'e'.repeat(64)));
  fs.writeFileSync(join(root, 'blobs', 'md5', 'd41d8cd98f00b204e9800998ecf8427e'), '');
  fs.writeFileSync(join(ingest, 'ref'), '1/default/ref');
  fs.writeFileSync(join(ingest, 'data'), 'some');
  const store = await openStore(root);
  const blobs = [];
  for await (const blob of store.blobs.list()) blobs.push(blob);
  t.deepEqual(blobs, [
    { digest, size: 5, committedAt: fs.statSync(store.blobs.path(digest), { bigint: true }).mtime },
  ]);
  t.deepEqual(
    (await store.ingests.list()).map(({ ref, size }) => `${ref} ${size}`),
    [`${keyOf(parseRef('1/default/ref'))}/data 4`],
  );
  await store.close();
  t.true(fs.existsSync(join(root, 'blobs', 'md5', 'd41d8cd98f00b204e9800998ecf8427e')));
  t.true(fs.existsSync(join(root, 'blobs', 'sha256', 'not-a-digest')));
  t.deepEqual(fs.readFileSync(join(root, 'blobs', 'sha256', hex)), content);
});

test('opening looks neither at the blobs nor at the ingests', async (t) => {
  const root = temporaryDirectory(t);
  await (await openStore(root)).close();
  // What would be an error to list or to read.
  fs.rmdirSync(join(root, 'blobs', 'sha512'));
  fs.mkdirSync(join(root, 'blobs', 'sha512'));
  fs.rmSync(join(root, 'ingest'), { recursive: true, force: true });
  fs.writeFileSync(join(root, 'ingest'), 'no directory');
  const store = await openStore(root);
  t.not(await errnoFrom(() => store.ingests.list()), 'OK');
  fs.unlinkSync(join(root, 'ingest'));
  t.deepEqual(await store.ingests.list(), [], 'the next look is not spoilt by the first');
  await store.close();
});
