import fs from 'node:fs';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { writeArchive } from '../../../store/archives/write-archive.js';
import { archive, type ArchiveWriter } from '../../../store/archives/archive-writer.js';
import { exportToFile, type ExportOptions } from '../../../store/archives/export-images.js';
import { importLayout } from '../../../store/archives/import-layout.js';
import { parseDigest } from '../../../store/digest.js';
import { USER } from '../../../store/layers/holders.js';
import { withBlob } from '../../../store/layers/layer-source.js';
import type { Progress } from '../../../store/layers/split-tar.js';
import type { OutputFile } from '../../../store/output-file.js';
import type { Store } from '../../../store/store.js';
import { seededBytes } from '../../helpers/bytes.js';
import { temporaryStore } from '../../helpers/stores.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { copied, exportFile, inspected, sampleImage, sha256sum, tool } from './images.js';

const sample = sampleImage();

/** A file as `cas` makes it for the daemon. */
function made(file: string): OutputFile {
  fs.writeFileSync(file, '');
  const { dev: device, ino: inode } = fs.statSync(file, { bigint: true });
  return { path: file, device, inode };
}

let number = 0;

/** The digest of what is written to a file, the size and what was told of both. */
async function written(
  store: Store,
  options: ExportOptions,
): Promise<{ sum: string; size: number; last: Progress | undefined }> {
  const file = made(sample.path(`written-${number++}.tar`));
  let last: Progress | undefined;
  const size = await exportToFile(store, ['small'], file, { ...options, progress: (told) => (last = told) });
  return { sum: sha256sum(file.path), size, last };
}

async function* pieces(...texts: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

test('a file gets the bytes that a stream gets, of blobs and of layers', async (t) => {
  const { store } = await temporaryStore(t);
  await importLayout(store, sample.layout);
  const file = sample.path('streamed.tar');
  for (const format of ['oci-archive', 'docker-archive'] as const) {
    await exportFile(store, file, ['small'], { format });
    const { sum, size, last } = await written(store, { format });
    t.is(sum, sha256sum(file));
    t.is(size, fs.statSync(file).size);
    t.is(last?.total, format === 'oci-archive' ? size : undefined);
    t.is(last?.entries, tool('tar', '-tf', file).split('\n').length);
  }
  for (const digest of inspected(`oci:${sample.layout}:small`).layers)
    await withBlob(store.blobs, parseDigest(digest), (source) =>
      store.layers.register(source, { holder: USER }),
    );
  t.is((await written(store, { format: 'docker-archive' })).sum, sha256sum(file));
});

test('blobs of several pieces, plain and gzip', async (t) => {
  const { store } = await temporaryStore(t);
  const layout = copied(sample, 'layout', 'large');
  const tars = [1, 2].map((seed) => seededBytes(9 << 20, seed));
  const layers = [added(layout, tars[0]), added(layout, gzipSync(tars[1] ?? '', { level: 1 }))];
  const rootfs = { type: 'layers', diff_ids: tars.map((bytes) => added(layout, bytes).digest) };
  const config = added(layout, JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs }));
  named(layout, added(layout, JSON.stringify({ schemaVersion: 2, config, layers })));
  await importLayout(store, layout);
  for (const format of ['oci-archive', 'docker-archive'] as const) {
    const file = sample.path('large.tar');
    await exportFile(store, file, ['small'], { format });
    t.is((await written(store, { format })).sum, sha256sum(file));
  }
});

test('names that are long, sizes that are not known, and files of nothing', async (t) => {
  const long = `blobs/sha512/${'0'.repeat(128)}`;
  const write =
    (unknown: boolean) =>
    async (to: ArchiveWriter): Promise<void> => {
      await to.directory('blobs/');
      await to.text('empty', Buffer.alloc(0));
      await to.text('text', Buffer.alloc(600, 'x'));
      await to.file(long, unknown ? undefined : 5, pieces('he', 'llo'));
      await to.file('none', unknown ? undefined : 0, pieces());
      await to.file('large', unknown ? undefined : 3 << 20, pieces(Buffer.alloc(3 << 20, 'y')));
    };
  const streamed = await buffer(archive(write(false)));
  for (const unknown of [false, true]) {
    const file = path.join(temporaryDirectory(t), 'x.tar');
    const fd = fs.openSync(file, 'wx');
    const none = { total: undefined, progress: undefined };
    t.is(await writeArchive(fd, write(unknown), none), streamed.length);
    fs.closeSync(fd);
    t.true(fs.readFileSync(file).equals(streamed));
    t.is(tool('tar', '-xOf', file, long), 'hello');
  }
  const fd = fs.openSync(path.join(temporaryDirectory(t), 'x.tar'), 'wx');
  const short = writeArchive(fd, (to) => to.file('x', 4, pieces('abc')), {
    total: undefined,
    progress: undefined,
  });
  await t.throwsAsync(short, { code: 'SIZE_MISMATCH' });
  fs.closeSync(fd);
});

test('a blob that has gone bad, or is no layer of the image, ends it', async (t) => {
  const { store } = await temporaryStore(t);
  await importLayout(store, sample.layout);
  const [layer = '', other = ''] = inspected(`oci:${sample.layout}:small`).layers.map((digest) =>
    blobFile(store.root, digest),
  );
  const bytes = fs.readFileSync(layer);
  fs.chmodSync(layer, 0o644);
  // In the header, where any time is as good; in the data; in the checksum; and another gzip in its place.
  for (const at of [5, 60, bytes.length - 6]) {
    const wrong = Buffer.from(bytes);
    wrong[at] = (wrong[at] ?? 0) ^ 1;
    fs.writeFileSync(layer, wrong);
    for (const format of ['oci-archive', 'docker-archive'] as const)
      await t.throwsAsync(written(store, { format }), { code: 'BLOB_DAMAGED' });
  }
  fs.copyFileSync(other, layer);
  await t.throwsAsync(written(store, { format: 'docker-archive' }), { code: 'BLOB_DAMAGED' });
  fs.writeFileSync(layer, bytes);
  await t.notThrowsAsync(written(store, { format: 'docker-archive' }));
});

test('one that is interrupted ends soon', async (t) => {
  const { store } = await temporaryStore(t);
  await importLayout(store, sample.layout);
  for (const format of ['oci-archive', 'docker-archive'] as const) {
    const interrupted = new AbortController();
    const { signal } = interrupted;
    const file = made(path.join(temporaryDirectory(t), 'file'));
    const told: Progress[] = [];
    const progress = (one: Progress): void => {
      told.push(one);
      interrupted.abort(new Error('gone'));
    };
    const written = exportToFile(store, ['small'], file, { format, signal, progress });
    await t.throwsAsync(written, { message: 'gone' });
    t.true((told.at(-1)?.entries ?? Infinity) <= 4, 'what comes before the first layer, at most');
  }
});

test('a layer that is another one than the configuration names ends it', async (t) => {
  const { store } = await temporaryStore(t);
  const layout = copied(sample, 'layout', 'other-layers');
  const manifest = replaced(layout, sample.digest, (document) => {
    const { config } = document as { config: Blob };
    Object.assign(
      config,
      replaced(layout, config.digest, (image) =>
        (image as { rootfs: { diff_ids: string[] } }).rootfs.diff_ids.reverse(),
      ),
    );
  });
  named(layout, manifest);
  await importLayout(store, layout);
  const docker = { format: 'docker-archive' } as const;
  await t.throwsAsync(written(store, docker), { code: 'IMAGE_INVALID' });
  await t.throwsAsync(exportFile(store, sample.path('other.tar'), ['small'], docker), {
    code: 'IMAGE_INVALID',
  });
});

test('what is not the empty file that was told of is not touched', async (t) => {
  const { store } = await temporaryStore(t);
  await importLayout(store, sample.layout);
  const directory = temporaryDirectory(t);
  const file = made(path.join(directory, 'file'));
  const link = path.join(directory, 'link');
  fs.symlinkSync('file', link);
  const refused = async (output: OutputFile): Promise<void> => {
    await t.throwsAsync(exportToFile(store, ['small'], output), { code: 'FILE_UNREACHABLE' });
  };
  await refused({ ...file, inode: file.inode + 1n });
  await refused({ ...file, device: file.device + 1n });
  await refused({ ...file, path: path.join(directory, 'none') });
  await refused({ ...file, path: link });
  await refused({ ...file, path: directory });
  t.is(fs.statSync(file.path).size, 0);
  fs.writeFileSync(file.path, 'x');
  await refused(file);
  t.is(fs.readFileSync(file.path, 'utf8'), 'x');
});

function blobFile(root: string, digest: string): string {
  return path.join(root, 'blobs', ...digest.split(':'));
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** Adds a document to a layout that is made of another one. */
function replaced(layout: string, digest: string, change: (document: unknown) => void): Blob {
  const document: unknown = JSON.parse(fs.readFileSync(blobFile(layout, digest), 'utf8'));
  change(document);
  return added(layout, JSON.stringify(document));
}

/** Adds a blob to a layout. */
function added(layout: string, bytes: string | Buffer = ''): Blob {
  const file = path.join(layout, 'added');
  fs.writeFileSync(file, bytes);
  const digest = `sha256:${sha256sum(file)}`;
  fs.renameSync(file, blobFile(layout, digest));
  return { digest, size: bytes.length };
}

/** Makes an image the only one of a layout. */
function named(layout: string, manifest: Blob): void {
  const manifests = [{ ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'small' } }];
  fs.writeFileSync(path.join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}
