import fs from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { importArchive } from '../../../store/archives/import-archive.js';
import { importLayout } from '../../../store/archives/import-layout.js';
import { CasError } from '../../../store/errors.js';
import type { Store } from '../../../store/store.js';
import { temporaryStore } from '../../helpers/stores.js';
import {
  copied,
  importFile,
  inspected,
  manifestJson,
  nest,
  rewriteManifest,
  sampleImage,
  sha256sum,
  tarOf,
  tool,
} from './images.js';

const sample = sampleImage();

/** What is left of imports that were refused. */
async function left({ root, ingests, images }: Store): Promise<unknown[]> {
  const files = ['fresh', 'ingest'].flatMap((name) => {
    const directory = path.join(root, name);
    return fs.existsSync(directory) ? fs.readdirSync(directory) : [];
  });
  return [...(await ingests.list()), ...files, ...images.current.index.manifests];
}

async function refused(
  t: ExecutionContext,
  store: Store,
  doing: Promise<unknown>,
  ...codes: readonly string[]
): Promise<void> {
  const { code, message } = await t.throwsAsync(doing, { instanceOf: CasError });
  t.true(codes.includes(code), `${code}: ${message}`);
  t.deepEqual(await left(store), []);
}

test('a docker-archive, whatever the order and compression, is the same OCI image', async (t) => {
  const { RepoTags: tags, ...manifest } = manifestJson(sample.path('docker'));
  t.deepEqual(
    tags,
    ['busy/box:1'].map((tag) => `docker.io/${tag}`),
  );
  const names = fs.readdirSync(sample.path('docker')).filter((name) => name !== 'manifest.json');
  const directories = names.filter((name) => /^[0-9a-f]{64}$/.test(name));
  const others = names.filter((name) => !directories.includes(name));
  const shuffled = copied(sample, 'docker', 'shuffled');
  // By their old names: a symbolic link to the newer one that stands before it, and a hard link.
  const old = manifest.Layers.map((layer) => {
    const id = directories.find((id) =>
      fs.realpathSync(path.join(shuffled, id, 'layer.tar')).endsWith(layer),
    );
    return `${id ?? ''}/layer.tar`;
  });
  const [, hard = ''] = old;
  const target = fs.realpathSync(path.join(shuffled, hard));
  fs.rmSync(path.join(shuffled, hard));
  fs.linkSync(target, path.join(shuffled, hard));
  rewriteManifest(shuffled, { Layers: old, RepoTags: ['busy/box:1'] });
  const file = tarOf(shuffled, [...directories, 'manifest.json', ...others.reverse()]);
  tool('gzip', '--keep', file);
  tool('zstd', '--quiet', '--keep', file);
  const found = new Set<string>();
  for (const archive of [sample.docker, file, `${file}.gz`, `${file}.zst`]) {
    const { store } = await temporaryStore(t);
    const [image, ...more] = await importFile(store, archive);
    t.deepEqual(more, []);
    t.is(image?.name, 'docker.io/busy/box:1');
    found.add(image?.digest ?? '');
    const { layers, config } = inspected(`oci:${store.root}:docker.io/busy/box:1`);
    t.deepEqual(layers, sample.diffs);
    t.is(config, `sha256:${sha256sum(path.join(sample.path('docker'), manifest.Config))}`);
    const { bytes, version } = store.images.current;
    await importFile(store, archive);
    t.is(store.images.current.version, version);
    t.is(store.images.current.bytes, bytes);
    t.is((await store.ingests.list()).length, 0);
  }
  t.is(found.size, 1);
});

test('layers that are compressed in a docker-archive stay as they are, and several names are one image', async (t) => {
  const directory = copied(sample, 'docker', 'mixed');
  const [first = '', second = ''] = manifestJson(directory).Layers;
  tool('gzip', '--no-name', path.join(directory, first));
  tool('zstd', '--quiet', '--rm', path.join(directory, second));
  const [gzip, zstd] = [`${first}.gz`, `${second}.zst`];
  rewriteManifest(directory, { Layers: [gzip, zstd], RepoTags: ['a', 'Quay.io/b:x', 'a:latest'] });
  const { store } = await temporaryStore(t);
  const images = await importFile(
    store,
    tarOf(directory, ['manifest.json', gzip, zstd, manifestJson(directory).Config]),
  );
  t.deepEqual(
    images.map(({ name }) => name),
    ['docker.io/library/a:latest', 'Quay.io/b:x'],
  );
  t.is(new Set(images.map(({ digest }) => digest)).size, 1);
  const raw = tool('skopeo', 'inspect', '--raw', `oci:${store.root}:docker.io/library/a:latest`);
  const { layers } = JSON.parse(raw) as { layers: unknown };
  t.deepEqual(layers, [
    { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...described(directory, gzip) },
    { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', ...described(directory, zstd) },
  ]);
  const { store: other } = await temporaryStore(t);
  rewriteManifest(directory, { Layers: [zstd, gzip] });
  await refused(t, other, importFile(other, tarOf(directory)), 'DIGEST_MISMATCH');
});

function described(directory: string, name: string): { digest: string; size: number } {
  const file = path.join(directory, name);
  return { digest: `sha256:${sha256sum(file)}`, size: fs.statSync(file).size };
}

test('an oci-archive and a layout are taken as they are, by their own names or by others', async (t) => {
  const { store } = await temporaryStore(t);
  const own = [{ name: 'small', digest: sample.digest }];
  t.deepEqual(await importFile(store, sample.oci), own);
  t.deepEqual(inspected(`oci:${store.root}:small`), inspected(`oci:${sample.layout}:small`));
  const { store: other } = await temporaryStore(t);
  t.deepEqual(await importLayout(other, sample.layout), own);
  t.deepEqual(
    await importLayout(other, sample.layout, { names: ['x/y:1', 'z'] }),
    ['x/y:1', 'z'].map((name) => ({ name, digest: sample.digest })),
  );
  t.is(other.images.current.index.manifests.length, 3);
  for (const name of ['', 'a b', '../x', '/x', 'x/'])
    await t.throwsAsync(importLayout(other, sample.layout, { names: [name] }), {
      code: 'IMAGE_NAME_INVALID',
    });
});

test('an index stays one, without the platforms that nobody has, and containerd says its full name', async (t) => {
  const layout = copied(sample, 'layout', 'index');
  const digest = nest(sample, layout);
  const { store } = await temporaryStore(t);
  await refused(t, store, importLayout(store, layout, { all: true }), 'IMAGE_INCOMPLETE');
  t.deepEqual(await importFile(store, tarOf(layout)), [{ name: 'docker.io/busy/box:1', digest }]);
  t.is(store.images.current.index.manifests[0]?.digest, digest);
  const config = tool(
    'skopeo',
    '--override-arch',
    'amd64',
    'inspect',
    '--config',
    `oci:${store.root}:docker.io/busy/box:1`,
  );
  t.is(config, tool('skopeo', 'inspect', '--config', `oci:${sample.layout}:small`));
});

test('what cannot be an archive, or lacks something, leaves nothing', async (t) => {
  const { store } = await temporaryStore(t);
  const refuse = (archive: string, ...codes: string[]): Promise<void> =>
    refused(t, store, importFile(store, archive), ...codes);
  const broken = 'ARCHIVE_INVALID IMAGE_INCOMPLETE'.split(' ');
  for (const archive of [sample.docker, sample.oci]) {
    const bytes = fs.readFileSync(archive);
    for (let part = 0; part < 8; part++) {
      fs.writeFileSync(sample.path('cut'), bytes.subarray(0, Math.floor((bytes.length * part) / 8) + part));
      await refuse(sample.path('cut'), ...broken);
    }
  }
  tool('gzip', '--keep', '--force', sample.docker);
  fs.truncateSync(`${sample.docker}.gz`, 5000);
  await refuse(`${sample.docker}.gz`, 'ARCHIVE_INVALID');
  fs.writeFileSync(sample.path('rubbish'), tool('seq', '1', '9999'));
  await refuse(sample.path('rubbish'), 'ARCHIVE_INVALID');
  tool('tar', '-C', sample.directory, '-cf', sample.path('other.tar'), 'first');
  await refuse(sample.path('other.tar'), 'ARCHIVE_INVALID');
  await refused(t, store, importLayout(store, sample.directory), 'ARCHIVE_INVALID');
});

test('names that lead out, loops, doubles and documents without end are refused', async (t) => {
  const { store } = await temporaryStore(t);
  const [first = ''] = manifestJson(sample.path('docker')).Layers;
  const cases: Readonly<Record<string, (directory: string) => string>> = {
    'ARCHIVE_INVALID up': (directory) => {
      tool(
        'tar',
        '-C',
        directory,
        '-P',
        '--transform',
        's,^second,../second,',
        '-cf',
        `${directory}.tar`,
        '.',
        '../second',
      );
      return `${directory}.tar`;
    },
    'ARCHIVE_INVALID link': (directory) => {
      fs.symlinkSync('../../etc/passwd', path.join(directory, 'out'));
      return tarOf(directory);
    },
    'ARCHIVE_INVALID loop': (directory) => {
      fs.symlinkSync('loop', path.join(directory, 'loop'));
      rewriteManifest(directory, { Layers: ['loop', 'loop'] });
      return tarOf(directory);
    },
    'ARCHIVE_INVALID double': (directory) =>
      tarOf(directory, ['.', './manifest.json', `./${first}`, '--hard-dereference']),
    'ARCHIVE_TOO_LARGE document': (directory) => {
      fs.truncateSync(path.join(directory, 'manifest.json'), 9 << 20);
      return tarOf(directory);
    },
    'ARCHIVE_TOO_LARGE documents': (directory) => {
      for (let number = 0; number < 9; number++) {
        fs.writeFileSync(path.join(directory, `${number}.json`), '');
        fs.truncateSync(path.join(directory, `${number}.json`), 8 << 20);
      }
      return tarOf(directory);
    },
    'ARCHIVE_INVALID diffs': (directory) => {
      rewriteManifest(directory, { Layers: [first] });
      return tarOf(directory);
    },
    'IMAGE_INCOMPLETE layer': (directory) => {
      fs.rmSync(path.join(directory, first));
      return tarOf(directory);
    },
    'DIGEST_MISMATCH config': (directory) => {
      fs.appendFileSync(path.join(directory, manifestJson(directory).Config), ' ');
      return tarOf(directory);
    },
    'IMAGE_NAME_INVALID name': (directory) => {
      rewriteManifest(directory, { RepoTags: ['Not/Valid'] });
      return tarOf(directory);
    },
  };
  for (const [what, make] of Object.entries(cases)) {
    const archive = make(copied(sample, 'docker', what.replace(' ', '-')));
    await refused(t, store, importFile(store, archive), what.split(' ')[0] ?? '');
  }
});

test('a wrong or missing blob of a layout is refused, unless the store has the right one', async (t) => {
  const { store } = await temporaryStore(t);
  const [layer = ''] = inspected(`oci:${sample.layout}:small`).layers;
  const name = `blobs/sha256/${layer.slice(7)}`;
  const wrong = copied(sample, 'layout', 'wrong');
  fs.writeFileSync(path.join(wrong, name), Buffer.alloc(fs.statSync(path.join(wrong, name)).size));
  await refused(t, store, importFile(store, tarOf(wrong)), 'DIGEST_MISMATCH');
  await refused(t, store, importLayout(store, wrong), 'DIGEST_MISMATCH');
  fs.rmSync(path.join(wrong, name));
  await refused(t, store, importFile(store, tarOf(wrong)), 'IMAGE_INCOMPLETE');
  await refused(t, store, importLayout(store, wrong), 'IMAGE_INCOMPLETE');
  await importLayout(store, sample.layout, { names: ['other'] });
  await importFile(store, tarOf(wrong));
  t.is(store.images.current.index.manifests.length, 2);
});

test('an import that is interrupted leaves nothing, and does not wait for its source', async (t) => {
  const { store } = await temporaryStore(t);
  const bytes = fs.readFileSync(sample.docker);
  for (const part of [0, 3, 7]) {
    const interrupt = new AbortController();
    async function* stalled(): AsyncGenerator<Buffer> {
      yield bytes.subarray(0, Math.floor((bytes.length * part) / 8));
      setImmediate(() => interrupt.abort(new Error('interrupted')));
      await new Promise(() => undefined);
    }
    const { signal } = interrupt;
    const source = { size: undefined, bytes: stalled() };
    await t.throwsAsync(importArchive(store, source, { signal }), { message: 'interrupted' });
    t.deepEqual(await left(store), []);
  }
});
