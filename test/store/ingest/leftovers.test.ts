import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { FORMAT, openStore, type Store } from '../../../store/store.js';
import { keyOf } from '../../../store/ingest/record.js';
import { parseRef } from '../../../store/ref.js';
import { seededBytes } from '../../helpers/bytes.js';
import { digestOfBytes } from '../../helpers/digests.js';
import { errnoFrom } from '../../helpers/errno.js';
import { runChild } from '../../helpers/processes.js';
import { temporaryDirectory } from '../../helpers/temporary.js';

type Files = Readonly<Record<string, string | Buffer>>;

/** A store as an earlier run may have left it: nothing but its format, `ingest/` and `fresh/`. */
function leftStore(t: ExecutionContext): string {
  const root = join(temporaryDirectory(t), 'store');
  for (const directory of ['ingest', 'fresh']) fs.mkdirSync(join(root, directory), { recursive: true });
  fs.writeFileSync(join(root, 'format'), `${FORMAT}\n`);
  return root;
}

/** Makes the directory of an ingest with these files, as of an earlier time than any run of the test; its path. */
function leave(root: string, ref: string, files: Files, mode = 0o1700): string {
  const directory = join(root, 'ingest', keyOf(parseRef(ref)));
  fs.mkdirSync(directory, mode);
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(join(directory, name), content);
  fs.utimesSync(directory, 1e9, 1e9);
  return directory;
}

async function open(t: ExecutionContext, root: string): Promise<Store> {
  const store = await openStore(root);
  t.teardown(() => store.close());
  return store;
}

async function refs(store: Store): Promise<string[]> {
  return (await store.ingests.list()).map(({ ref }) => ref);
}

// Its umask takes away what it will: 022, 027, 077.
for (const mode of [0o755, 0o750, 0o700])
  test(`an ingest of containerd's of mode ${mode.toString(8)} is taken over with all that is known of it, and what containerd wrote stays`, async (t) => {
    const root = leftStore(t);
    const content = seededBytes(5000);
    const files = {
      ref: '1/default/layer-sha256:abc',
      startedat: '2024-05-06T07:08:09.123456789Z',
      updatedat: '2034-05-06T07:08:10.000000001Z',
      total: '5000',
    };
    const directory = leave(root, files.ref, { ...files, data: content, 'updatedat.tmp': '' }, mode);
    const store = await open(t, root);
    const name = keyOf(parseRef(files.ref));
    t.deepEqual(await refs(store), [`${name}/data`]);
    t.is(store.ingests.sharedPath(name), directory);
    const ingest = await store.ingests.find(parseRef(`${name}/data`));
    t.like(ingest?.status, {
      size: 5000,
      total: 5000,
      startedAt: new Date('2024-05-06T07:08:09.123Z'),
      updatedAt: new Date('2034-05-06T07:08:10.000Z'),
    });
    const digest = await digestOfBytes(content);
    if (ingest) await store.ingests.commit(ingest, { digest });
    t.deepEqual(fs.readFileSync(store.blobs.path(digest)), content);
    const left = fs
      .readdirSync(directory)
      .map((field) => [field, fs.readFileSync(join(directory, field), 'utf8')]);
    t.deepEqual(Object.fromEntries(left), files);
    await t.throwsAsync(store.ingests.removeDirectory(parseRef(name)), { message: /not empty/ });
    for (const field of Object.keys(files)) fs.unlinkSync(join(directory, field));
    await store.ingests.removeDirectory(parseRef(name));
    t.false(fs.existsSync(directory));
  });

test('the directory of an ingest of our own can be told from any of containerd', async (t) => {
  const root = leftStore(t);
  const store = await openStore(root);
  const ingest = await store.ingests.create(parseRef('x'), 'sha256');
  await ingest.write(Buffer.from('bytes'), 0);
  ingest.unlock();
  await ingest.settle();
  await store.close();
  const directory = join(root, 'ingest', keyOf(parseRef('x')));
  t.is(execFileSync('stat', ['-c', '%a', directory]).toString(), '1700\n');
  t.deepEqual(await refs(await open(t, root)), ['x']);
});

const whole = { ref: 'x', data: 'bytes' };

for (const [what, files] of [
  ['nothing in it', {}],
  ['neither ref nor bytes', { data: '' }],
  ['no data', { ref: 'x', startedat: '2024-05-06T07:08:09Z' }],
] as const)
  test(`an ingest with ${what} is what a crash left half made or removed, and goes`, async (t) => {
    const root = leftStore(t);
    const directory = leave(root, 'x', files);
    const store = await open(t, root);
    t.deepEqual(await refs(store), []);
    t.false(fs.existsSync(directory));
    const made = await store.ingests.create(parseRef('x'), 'sha256');
    t.is(made.size, 0);
    made.unlock();
  });

for (const [what, files] of [
  ['no ref', { data: 'bytes' }],
  ['an empty ref', { ref: '', data: 'bytes' }],
] as const)
  test(`the bytes of an ingest with ${what} are found under lost+found`, async (t) => {
    const root = leftStore(t);
    leave(root, 'x', files);
    const found = `lost+found/${keyOf(parseRef('x'))}`;
    const store = await openStore(root);
    t.deepEqual(await refs(store), [found]);
    await store.close();
    const again = await open(t, root);
    const ingest = await again.ingests.find(parseRef(found));
    if (ingest) await again.ingests.commit(ingest, { digest: await digestOfBytes(Buffer.from('bytes')) });
    t.deepEqual(await refs(again), []);
    t.deepEqual(fs.readdirSync(join(root, 'ingest')), []);
  });

for (const [what, files] of [
  ['no times', {}],
  ['empty times', { startedat: '', updatedat: '' }],
  ['times that are none', { startedat: 'yesterday', updatedat: '\0\0\0' }],
  ['a total that is no number', { total: 'many' }],
  ['an empty total', { total: '' }],
  ['a negative total', { total: '-1' }],
  ['an expected digest that is none', { expected: 'sha256:xyz' }],
  ['an expected digest cut short', { expected: 'sha256:' }],
] as const)
  test(`an ingest with ${what} is resumed without`, async (t) => {
    const root = leftStore(t);
    leave(root, 'x', { ...whole, ...files });
    const store = await open(t, root);
    const [status] = await store.ingests.list();
    t.like(status, { ref: 'x', size: 5, total: undefined, expected: undefined });
    t.true(Number.isFinite(status?.startedAt.getTime()));
    t.true(Number.isFinite(status?.updatedAt.getTime()));
    const ingest = await store.ingests.find(parseRef('x'));
    await ingest?.settle();
    if (ingest) await store.ingests.commit(ingest, { digest: await digestOfBytes(Buffer.from('bytes')) });
    t.deepEqual(await refs(store), []);
  });

test('a move that was cut short is ended: the directory follows the ref', async (t) => {
  const root = leftStore(t);
  fs.renameSync(
    leave(root, 'old', { ref: 'new', data: 'bytes' }),
    join(root, 'ingest', keyOf(parseRef('old'))),
  );
  const store = await open(t, root);
  t.deepEqual(await refs(store), ['new']);
  const old = await store.ingests.create(parseRef('old'), 'sha256');
  old.unlock();
  await old.settle();
  const moved = await store.ingests.find(parseRef('new'));
  t.is(moved?.size, 5);
  t.true(fs.existsSync(join(root, 'ingest', keyOf(parseRef('new')), 'data')));
});

test('what is no ingest is left alone', async (t) => {
  const root = leftStore(t);
  const foreign = leave(root, 'x', { ref: 'http://registry//x', data: 'bytes' });
  fs.writeFileSync(join(root, 'ingest', 'README'), 'mine');
  fs.mkdirSync(join(root, 'ingest', 'holiday'));
  fs.writeFileSync(join(root, 'ingest', 'holiday', 'photo'), 'mine');
  leave(root, 'y', { ...whole, ref: 'y' });
  const store = await open(t, root);
  t.deepEqual(await refs(store), ['y']);
  t.is(fs.readFileSync(join(foreign, 'data'), 'utf8'), 'bytes');
  t.is(fs.readFileSync(join(root, 'ingest', 'holiday', 'photo'), 'utf8'), 'mine');
  t.is(fs.readFileSync(join(root, 'ingest', 'README'), 'utf8'), 'mine');
});

/** The path of an ingest that has no directory yet. */
function freshPath(root: string, ref: string): string {
  return join(root, 'fresh', Buffer.from(ref).toString('base64url'));
}

test('an ingest that had not outlived its first second is found by the name of its file', async (t) => {
  const root = leftStore(t);
  for (const ref of ['a/x', '/größe 📦']) fs.writeFileSync(freshPath(root, ref), 'bytes', { mode: 0o444 });
  fs.writeFileSync(join(root, 'fresh', `.${'0'.repeat(64)}`), '');
  const store = await open(t, root);
  t.deepEqual((await refs(store)).sort(), ['/größe 📦', 'a/x']);
  t.deepEqual(fs.readdirSync(join(root, 'fresh')), []);
  t.is(store.ingests.get('a'), 'directory');
  const ingest = await store.ingests.find(parseRef('a/x'));
  if (ingest === undefined) return t.fail('the ingest is gone');
  ingest.lock();
  await ingest.write(Buffer.from('more'), 5);
  ingest.unlock();
  const digest = await digestOfBytes(Buffer.from('bytesmore'));
  await store.ingests.commit(ingest, { digest });
  const attributes = execFileSync('getfattr', ['--absolute-names', '-d', store.blobs.path(digest)]);
  t.is(attributes.toString(), '', 'the blob does not remember its ref');
});

test('a crash between making the directory of an ingest and moving its bytes there loses nothing', async (t) => {
  const root = leftStore(t);
  fs.writeFileSync(freshPath(root, 'x'), 'bytes');
  leave(root, 'x', { ref: 'x' });
  const store = await open(t, root);
  t.is((await store.ingests.find(parseRef('x')))?.size, 5);
});

test('an ingest whose bytes are a blob too stays, and cannot be written', async (t) => {
  const root = leftStore(t);
  const directory = leave(root, 'x', whole);
  const digest = await digestOfBytes(Buffer.from('bytes'));
  fs.mkdirSync(join(root, 'blobs', 'sha256'), { recursive: true });
  const store = await open(t, root);
  fs.linkSync(join(directory, 'data'), store.blobs.path(digest));
  const ingest = await store.ingests.find(parseRef('x'));
  t.true(ingest?.committed);
  t.is(await errnoFrom(() => ingest?.lock()), 'EBADF');
  t.is(await errnoFrom(() => ingest?.write(Buffer.from('x'), 0)), 'EBADF');
  t.is(await errnoFrom(() => ingest?.truncate(0)), 'EBADF');
  if (ingest) await store.ingests.remove(ingest);
  t.is(fs.readFileSync(store.blobs.path(digest), 'utf8'), 'bytes');
});

test('a directory whose file is damaged is forgotten, the others are there', async (t) => {
  const root = leftStore(t);
  const first = await openStore(root);
  for (const path of ['a', 'a/b', '/outside', 'größe']) await first.ingests.makeDirectory(parseRef(path));
  await first.close();
  fs.writeFileSync(join(root, 'directories', keyOf(parseRef('größe'))), '');
  fs.writeFileSync(join(root, 'directories', '0'.repeat(64)), 'foreign');
  const store = await open(t, root);
  await store.ingests.load();
  for (const path of ['a', 'a/b', '/outside']) t.is(store.ingests.get(path), 'directory', path);
  t.deepEqual([...store.ingests.children('').keys()], ['a']);
  t.is(await errnoFrom(() => store.ingests.removeDirectory(parseRef('a'))), 'ENOTEMPTY');
  await store.ingests.removeDirectory(parseRef('a/b'));
  await store.ingests.removeDirectory(parseRef('a'));
  t.is(await errnoFrom(() => store.ingests.removeDirectory(parseRef('a'))), 'ENOENT');
});

test('where descriptors run out nothing is taken for a leftover, and the next look finds all', async (t) => {
  const root = leftStore(t);
  for (let index = 0; index < 150; index++) leave(root, `x${index}`, { ref: `x${index}`, data: 'bytes' });
  const script = new URL('list-twice.js', import.meta.url);
  const { output } = await runChild(process.execPath, [script.pathname, root]);
  t.is(output, 'EMFILE, then 150\n');
  t.is(fs.readdirSync(join(root, 'ingest')).length, 150);
});
