import fs from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { importLayout } from '../../../store/archives/import-layout.js';
import { parseDigest } from '../../../store/digest.js';
import { USER } from '../../../store/layers/holders.js';
import { withBlob } from '../../../store/layers/layer-source.js';
import type { Store } from '../../../store/store.js';
import { temporaryStore } from '../../helpers/stores.js';
import {
  copied,
  exportFile,
  importFile,
  inspected,
  manifestJson,
  nest,
  sampleImage,
  sha256sum,
  tool,
} from './images.js';

const sample = sampleImage();

function blobFile({ root }: Store, digest: string): string {
  return path.join(root, 'blobs', ...digest.split(':'));
}

test('an oci-archive is what skopeo reads, the same each time, and gives the same image elsewhere', async (t) => {
  const { store } = await temporaryStore(t);
  await importLayout(store, sample.layout);
  const file = sample.path('exported-oci.tar');
  const { size } = await exportFile(store, file, ['small']);
  t.is(size, fs.statSync(file).size);
  t.deepEqual(inspected(`oci-archive:${file}:small`), inspected(`oci:${sample.layout}:small`));
  await exportFile(store, `${file}.again`, [sample.digest]);
  await exportFile(store, `${file}.again`, ['small']);
  t.is(sha256sum(`${file}.again`), sha256sum(file));
  const { store: other } = await temporaryStore(t);
  t.deepEqual(await importFile(other, file), [{ name: 'small', digest: sample.digest }]);
  t.deepEqual(other.images.current.index, store.images.current.index);
});

test('a docker-archive has the layers as plain tars, from blobs and from layers, and gives the same image elsewhere', async (t) => {
  const { store } = await temporaryStore(t);
  await importLayout(store, sample.layout, { names: ['busy/box:1', 'docker.io/busy/box:2'] });
  const file = sample.path('exported-docker.tar');
  const names = ['busy/box:1', 'busy/box:2'];
  const { size } = await exportFile(store, file, names, { format: 'docker-archive' });
  t.is(size, undefined);
  const { layers, config } = inspected(`oci:${sample.layout}:small`);
  t.deepEqual(inspected(`docker-archive:${file}:busy/box:2`).layers, sample.diffs);
  const directory = sample.path('exported-docker');
  fs.mkdirSync(directory);
  tool('tar', '-C', directory, '-xf', file);
  t.deepEqual(manifestJson(directory), {
    Config: `${config.slice(7)}.json`,
    RepoTags: ['docker.io/busy/box:1', 'docker.io/busy/box:2'],
    Layers: sample.diffs.map((diff) => `${diff.slice(7)}.tar`),
  });
  for (const diff of sample.diffs)
    t.is(sha256sum(path.join(directory, `${diff.slice(7)}.tar`)), diff.slice(7));
  // The same from the layers that are registered; the size is known then.
  for (const digest of layers)
    await withBlob(store.blobs, parseDigest(digest), (source) =>
      store.layers.register(source, { holder: USER }),
    );
  const again = await exportFile(store, `${file}.again`, names, { format: 'docker-archive' });
  t.is(again.size, fs.statSync(file).size);
  t.is(sha256sum(`${file}.again`), sha256sum(file));
  const { store: other } = await temporaryStore(t);
  const images = await importFile(other, file);
  t.deepEqual(
    images.map(({ name }) => name),
    ['docker.io/busy/box:1', 'docker.io/busy/box:2'],
  );
  t.is(inspected(`oci:${other.root}:docker.io/busy/box:1`).config, config);
  // Plain blobs are given as they are.
  const plain = await exportFile(other, `${file}.plain`, names, { format: 'docker-archive' });
  t.is(plain.size, fs.statSync(file).size);
  t.is(sha256sum(`${file}.plain`), sha256sum(file));
});

test('a blob that has gone bad ends an export', async (t) => {
  const { store } = await temporaryStore(t);
  await importLayout(store, sample.layout);
  const { layers } = inspected(`oci:${sample.layout}:small`);
  const file = blobFile(store, layers[0] ?? '');
  const bytes = fs.readFileSync(file);
  fs.chmodSync(file, 0o644);
  for (const at of [20, bytes.length - 6]) {
    const wrong = Buffer.from(bytes);
    wrong[at] = (wrong[at] ?? 0) ^ 1;
    fs.writeFileSync(file, wrong);
    for (const format of ['oci-archive', 'docker-archive'] as const)
      await t.throwsAsync(exportFile(store, sample.path('bad.tar'), ['small'], { format }), {
        code: 'BLOB_DAMAGED',
      });
  }
  fs.truncateSync(file, 100);
  await t.throwsAsync(exportFile(store, sample.path('bad.tar'), ['small']), { code: 'BLOB_DAMAGED' });
  fs.rmSync(file);
  await t.throwsAsync(exportFile(store, sample.path('bad.tar'), ['small']), { code: 'IMAGE_INCOMPLETE' });
  t.false(fs.existsSync(sample.path('bad.tar')));
});

test('of an index all platforms that are whole are exported, or one', async (t) => {
  const { store } = await temporaryStore(t);
  const layout = copied(sample, 'layout', 'platforms');
  const digest = nest(sample, layout);
  await importLayout(store, layout);
  const file = sample.path('platforms.tar');
  await exportFile(store, file, ['busy/box:1']);
  const { store: other } = await temporaryStore(t);
  t.deepEqual(await importFile(other, file), [{ name: 'docker.io/busy/box:1', digest }]);
  await exportFile(store, file, ['busy/box:1'], { platform: 'linux/x86_64' });
  t.deepEqual(inspected(`oci-archive:${file}`), inspected(`oci:${sample.layout}:small`));
  await exportFile(store, file, [digest], { platform: 'linux/amd64', format: 'docker-archive' });
  t.deepEqual(inspected(`docker-archive:${file}`).layers, sample.diffs);
  for (const platform of ['linux/s390x', 'nonsense'])
    await t.throwsAsync(exportFile(store, file, [digest], { platform }), { code: 'PLATFORM_NOT_FOUND' });
});

test('names that nothing stands for, or that Docker cannot have, are refused', async (t) => {
  const { store } = await temporaryStore(t);
  await importLayout(store, sample.layout, { names: ['Upper'] });
  const file = sample.path('none.tar');
  for (const name of ['small', 'upper', `sha256:${'0'.repeat(64)}`])
    await t.throwsAsync(exportFile(store, file, [name]), { code: 'IMAGE_NOT_FOUND' });
  const { layers } = inspected(`oci:${sample.layout}:small`);
  await t.throwsAsync(exportFile(store, file, [layers[0] ?? '']), { code: 'IMAGE_INVALID' });
  const docker = { format: 'docker-archive' } as const;
  await t.throwsAsync(exportFile(store, file, ['Upper'], docker), { code: 'IMAGE_NAME_INVALID' });
  await exportFile(store, file, [sample.digest], docker);
  t.is(tool('tar', '-xOf', file, 'manifest.json').includes('"RepoTags":[]'), true);
});
