import { constants } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import type { FileSystem } from '../../fs/filesystem.js';
import { ROOT_ID } from '../../fs/inodes.js';
import { nameOf } from '../../fs/node.js';
import { mountTree } from '../../fs/tree.js';
import { hexOf } from '../../store/digest.js';
import type { PathOperations } from '../contract/path-operations.js';
import { CALLER, treeOperations } from '../contract/tree-operations.js';
import { errnoFrom } from '../helpers/errno.js';
import { noise } from '../store/layers/tools.js';
import { TestImages, TYPES } from '../store/images/test-images.js';

interface Subject {
  readonly made: TestImages;
  readonly fs: FileSystem;
  readonly calls: PathOperations;
  readonly readlink: (path: string) => Promise<string>;
  readonly json: (path: string) => Promise<Record<string, unknown>>;
}

async function subject(t: ExecutionContext): Promise<Subject> {
  const made = await TestImages.open(t);
  const fs = mountTree(made.store, { version: 'test', stats: () => ({}) }).filesystem;
  t.teardown(() => fs.close());
  const calls = treeOperations(
    () => fs,
    () => Promise.reject(new Error('not here')),
  );
  return {
    made,
    fs,
    calls,
    readlink: async (path) => {
      let id = ROOT_ID;
      for (const name of path.split('/')) ({ id } = await fs.lookup(id, nameOf(name), CALLER));
      return fs.readlink(id);
    },
    json: async (path) => {
      const file = await calls.open(path, constants.O_RDONLY);
      const text = (await file.read(65_536, 0)).toString();
      await file.close();
      return JSON.parse(text) as Record<string, unknown>;
    },
  };
}

const OWN = ['manifest.json', 'config.json', 'rootfs', 'layers'];

test('an image is its manifest, its config, its layers and a root that leads to its chain', async (t) => {
  const { made, calls, readlink } = await subject(t);
  const layers = [await made.layer({ a: 'a' }), await made.layer({ b: 'b' })];
  const manifest = await made.image(layers);
  await made.name('docker.io/library/debian:12', manifest);
  t.deepEqual(await calls.readdir('images'), ['docker.io']);
  const path = 'images/docker.io/library/debian:12';
  t.deepEqual(await calls.readdir(path), OWN);
  t.is(await readlink(`${path}/manifest.json`), `../../../../blobs/sha256/${hexOf(manifest.digest)}`);
  t.deepEqual(await calls.readdir(`${path}/layers`), ['1', '2']);
  t.is(
    await readlink(`${path}/layers/2`),
    `../../../../../blobs/sha256/${hexOf(layers[1]?.blob.digest ?? manifest.digest)}`,
  );
  const top = (await made.chains('docker.io/library/debian:12')).at(-1) ?? manifest.digest;
  t.is(await readlink(`${path}/rootfs`), `../../../../layers/sha256/${hexOf(top)}`);
  t.is((await made.registered()).length, 0, 'looking registers nothing');
  t.deepEqual(await calls.readdir(`images/${manifest.digest}`), OWN);

  t.deepEqual((await calls.readdir(`layers/sha256/${hexOf(top)}`)).sort(), ['a', 'b']);
  t.true((await calls.stat(`layers/sha256/${hexOf(top)}.tar`)).size > 0);
  t.like(await calls.stat(path), { mode: constants.S_IFDIR | 0o555 });
  for (const change of [calls.mkdir(`${path}/x`), calls.rmdir(path), calls.unlink(`${path}/rootfs`)])
    t.is(await errnoFrom(() => change), 'EROFS');
});

test('a root whose layers are not what the manifest names is not shown', async (t) => {
  const { made, calls, readlink } = await subject(t);
  const [one, other] = [await made.layer({ one: 'one' }), await made.layer({ other: 'other' })];
  await made.name('one', await made.image([one]));
  await made.name('false', await made.image([{ blob: other.blob, diff: one.diff }]));
  const [chain] = await made.chains('false');
  if (chain === undefined) return t.fail();
  t.deepEqual(await calls.readdir(`layers/sha256/${hexOf(chain)}`), ['one']);
  t.is(await errnoFrom(() => readlink('images/false/rootfs')), 'EBADMSG');
  t.true((await readlink('images/one/rootfs')).endsWith(hexOf(chain)));
});

test('of an image and others whose names begin with its own all are in one directory', async (t) => {
  const { made, calls, readlink } = await subject(t);
  const image = await made.image([await made.layer({ a: 'a' })]);
  for (const name of ['a', 'a/b', 'a/layers', 'a/rootfs/c', 'a/platforms']) await made.name(name, image);
  t.deepEqual(await calls.readdir('images/a'), [...OWN, 'b', 'platforms']);
  t.deepEqual(await calls.readdir('images/a/layers'), ['1']);
  t.deepEqual(await calls.readdir('images/a/platforms'), OWN);
  t.is(await readlink('images/a/b/manifest.json'), `../../../blobs/sha256/${hexOf(image.digest)}`);
  await made.unname('a');
  t.deepEqual(await calls.readdir('images/a'), ['b', 'layers', 'rootfs', 'platforms']);
  t.deepEqual(await calls.readdir('images/a/layers'), OWN);
});

test('a directory that the kernel remembers shows what its name leads to now', async (t) => {
  const { made, fs } = await subject(t);
  await made.name('x', await made.image([await made.layer({ a: 'a' })]));
  const images = await fs.lookup(ROOT_ID, nameOf('images'), CALLER);
  const x = await fs.lookup(images.id, nameOf('x'), CALLER);
  const layers = await fs.lookup(x.id, nameOf('layers'), CALLER);
  const target = async (): Promise<string> => {
    const { id } = await fs.lookup(x.id, nameOf('manifest.json'), CALLER);
    return fs.readlink(id);
  };
  const before = await target();
  await made.name('x', await made.image([await made.layer({ b: 'b' })]));
  t.not(await target(), before);
  await made.unname('x');
  t.is(await errnoFrom(() => fs.getattr(x.id)), 'ENOENT');
  t.is(await errnoFrom(() => fs.getattr(layers.id)), 'ENOENT');
  t.is(await errnoFrom(target), 'ENOENT');
  await made.name('x', await made.image([await made.layer({ a: 'a' })]));
  t.is((await fs.getattr(x.id)).ino, x.attr.ino);
  t.is(await target(), before);
});

test('an index shows its platforms, and the image of the one that is wanted', async (t) => {
  const { made, calls, readlink } = await subject(t);
  const amd = await made.image([await made.layer({ amd: 'amd' })]);
  const arm = await made.image([await made.layer({ arm: 'arm' })], {
    platform: { architecture: 'arm', os: 'linux', variant: 'v7' },
  });
  const index = await made.index([arm, amd], TYPES.dockerList);
  await made.name('many', index);
  await made.name('arm', await made.index([arm]));
  t.deepEqual(await calls.readdir('images/many'), ['index.json', ...OWN.slice(0, 3), 'layers', 'platforms']);
  t.is(await readlink('images/many/index.json'), `../../blobs/sha256/${hexOf(index.digest)}`);
  t.is(await readlink('images/many/manifest.json'), `../../blobs/sha256/${hexOf(amd.digest)}`);
  t.deepEqual(await calls.readdir('images/many/platforms'), ['linux-arm-v7', 'linux-amd64']);
  const other = 'images/many/platforms/linux-arm-v7';
  t.deepEqual(await calls.readdir(other), OWN);
  t.deepEqual(await calls.readdir(`${other}/layers`), ['1']);
  const rootfs = await readlink(`${other}/rootfs`);
  t.true(rootfs.startsWith('../../../../layers/sha256/'));
  t.deepEqual(await calls.readdir(rootfs.replaceAll('../', '')), ['arm']);
  t.deepEqual(await calls.readdir('images/arm'), ['index.json', 'platforms']);
  t.is(await errnoFrom(() => readlink('images/arm/rootfs')), 'ENOENT');
});

test('what is wrong with an image is told by errno, attribute and status', async (t) => {
  const { made, calls, json, readlink } = await subject(t);
  const good = await made.layer({ a: 'a' });
  const rubbish = { blob: await made.blob(noise(5000, 'x'), TYPES.layer), diff: good.diff };
  await made.name('bad/layer', await made.image([rubbish]));
  await made.name('bad', await made.blob({ schemaVersion: 2 }, TYPES.manifest));
  const lost = await made.image([good], { docker: true });
  await made.name('lost', lost);
  made.lose(lost);
  await made.name('artifact', await made.image([good], { configType: 'text/plain' }));

  t.deepEqual(await calls.readdir('images/bad'), ['manifest.json', 'layer']);
  t.is(await errnoFrom(() => readlink('images/bad/rootfs')), 'EBADMSG');
  t.is(await errnoFrom(() => readlink('images/lost/rootfs')), 'ENOENT');
  t.regex(await calls.getxattr('images/lost', 'user.cas.error'), /the store has no such blob/);
  t.deepEqual(await calls.readdir('images/artifact'), ['manifest.json', 'config.json', 'layers']);
  t.deepEqual(await calls.listxattr('images/artifact'), ['user.cas.digest']);

  const rootfs = (await readlink('images/bad/layer/rootfs')).replaceAll('../', '');
  t.deepEqual(await calls.listxattr('images/bad/layer'), ['user.cas.digest', 'user.cas.state']);
  t.is(await errnoFrom(() => calls.stat(rootfs)), 'EBADMSG');
  t.is(await errnoFrom(() => calls.stat(`${rootfs}.tar`)), 'EBADMSG');
  t.is(await calls.getxattr('images/bad/layer', 'user.cas.state'), 'failed');
  t.regex(await calls.getxattr('images/bad/layer', 'user.cas.error'), /^layer 1 of 1: /);

  t.deepEqual((await calls.readdir('.cas/images')).sort(), ['artifact.json', 'bad', 'bad.json', 'lost.json']);
  t.deepEqual(await calls.readdir('.cas/images/bad'), ['layer.json']);
  t.like(await json('.cas/images/bad/layer.json'), { name: 'bad/layer', state: 'failed', layers: 1 });
  t.like(await json('.cas/images/artifact.json'), { state: null, error: null, percent: null });
  t.is(await errnoFrom(() => calls.stat('.cas/images/none.json')), 'ENOENT');
});

test('a blob that an image needs cannot be unlinked; any other can', async (t) => {
  const { made, calls } = await subject(t);
  const layer = await made.layer({ a: 'a' });
  const manifest = await made.image([layer]);
  await made.name('x', manifest);
  const other = await made.blob(Buffer.from('other'), 'text/plain');
  const unlink = (digest: string): Promise<string> =>
    errnoFrom(() => calls.unlink(`blobs/sha256/${digest.slice('sha256:'.length)}`));
  for (const { digest } of [manifest, layer.blob]) t.is(await unlink(digest), 'EBUSY');
  t.is(await unlink(other.digest), 'OK');
  await made.unname('x');
  for (const { digest } of [manifest, layer.blob]) t.is(await unlink(digest), 'OK');
});

test('a thousand images are listed without reading any', async (t) => {
  const { made, calls } = await subject(t);
  const manifests = Array.from({ length: 1000 }, (_, index) => ({
    mediaType: TYPES.manifest,
    digest: `sha256:${index.toString(16).padStart(64, '0')}`,
    size: 1,
    annotations: { 'org.opencontainers.image.ref.name': `image-${index}` },
  }));
  await made.store.images.write([], Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })));
  made.store.blobs.open = () => Promise.reject(new Error('a manifest is read'));
  t.is((await calls.readdir('images')).length, 1000);
  t.like(await calls.stat('images/image-7'), { mode: constants.S_IFDIR | 0o555 });
});
