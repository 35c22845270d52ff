import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { type ExportOptions, exportImages } from '../../../store/archives/export-images.js';
import { importArchive } from '../../../store/archives/import-archive.js';
import type { ImportedImage, ImportOptions } from '../../../store/archives/import-images.js';
import { withFile } from '../../../store/layers/layer-source.js';
import type { Store } from '../../../store/store.js';

/** Runs a program and gives what it writes. */
export function tool(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trimEnd();
}

/** An image of two gzip layers by umoci, and what skopeo makes of it. */
export interface SampleImage {
  readonly directory: string;
  /** An OCI layout that has it as `small`. */
  readonly layout: string;
  /** A docker-archive by skopeo, `busy/box:1`. */
  readonly docker: string;
  /** An oci-archive by skopeo, `small`. */
  readonly oci: string;
  /** `sha256:…` of its manifest in the layout. */
  readonly digest: string;
  /** What sha256sum(1) says of its layers' tars. */
  readonly diffs: readonly string[];
  path(...names: readonly string[]): string;
}

/** An image that is made before the tests of a file, for all of them, which change copies of it. */
export function sampleImage(): SampleImage {
  const directory = fs.mkdtempSync(path.join(tmpdir(), 'cas-test-image-'));
  const at = (...names: readonly string[]): string => path.join(directory, ...names);
  const sample = { directory, layout: at('layout'), docker: at('docker.tar'), oci: at('oci.tar'), path: at };
  let known: Pick<SampleImage, 'digest' | 'diffs'> | undefined;
  test.serial.before('the image is made', (t) => {
    t.timeout(180_000);
    known = makeImage(sample);
  });
  test.after.always('the image is removed', () => fs.rmSync(directory, { recursive: true }));
  return {
    ...sample,
    get digest() {
      return known?.digest ?? '';
    },
    get diffs() {
      return known?.diffs ?? [];
    },
  };
}

function makeImage({ layout, docker, oci, path: at }: Omit<SampleImage, 'digest' | 'diffs'>): {
  digest: string;
  diffs: string[];
} {
  tool('umoci', 'init', '--layout', layout);
  tool('umoci', 'new', '--image', `${layout}:small`);
  for (const name of ['first', 'second']) {
    fs.writeFileSync(at(name), execFileSync('seq', ['1', name === 'first' ? '20000' : '3']));
    tool('umoci', 'insert', '--rootless', '--image', `${layout}:small`, at(name), `/etc/${name}`);
  }
  tool('umoci', 'gc', '--layout', layout);
  tool('skopeo', 'copy', `oci:${layout}:small`, `docker-archive:${docker}:busy/box:1`);
  tool('skopeo', 'copy', `oci:${layout}:small`, `oci-archive:${oci}:small`);
  fs.mkdirSync(at('docker'));
  tool('tar', '-C', at('docker'), '-xf', docker);
  return {
    digest: tool('skopeo', 'inspect', '--format', '{{.Digest}}', `oci:${layout}:small`),
    diffs: manifestJson(at('docker')).Layers.map((layer) => `sha256:${sha256sum(at('docker', layer))}`),
  };
}

/** An image of a docker-archive that was unpacked. */
export interface DockerImage {
  Config: string;
  RepoTags: string[] | null;
  Layers: string[];
}

/** The first image of a docker-archive that was unpacked. */
export function manifestJson(directory: string): DockerImage {
  const images = JSON.parse(fs.readFileSync(path.join(directory, 'manifest.json'), 'utf8')) as DockerImage[];
  return images[0] ?? { Config: '', RepoTags: null, Layers: [] };
}

/** Changes the first image of a docker-archive that was unpacked. */
export function rewriteManifest(directory: string, change: Partial<DockerImage>): void {
  const image = { ...manifestJson(directory), ...change };
  fs.rmSync(path.join(directory, 'manifest.json'));
  fs.writeFileSync(path.join(directory, 'manifest.json'), JSON.stringify([image]));
}

/** A copy of what was unpacked of an archive, or of a layout. */
export function copied(sample: Pick<SampleImage, 'path'>, of: 'docker' | 'layout', name: string): string {
  tool('cp', '-a', sample.path(of), sample.path(name));
  tool('chmod', '-R', 'u+w', sample.path(name));
  return sample.path(name);
}

/** A tar of a directory, of the names in the order given, or of all. */
export function tarOf(directory: string, names: readonly string[] = ['.']): string {
  tool('tar', '-C', directory, '-cf', `${directory}.tar`, ...names);
  return `${directory}.tar`;
}

export function sha256sum(file: string): string {
  return tool('sha256sum', file).slice(0, 64);
}

/** Imports a file. */
export function importFile(store: Store, file: string, options?: ImportOptions): Promise<ImportedImage[]> {
  return withFile(file, (source) => importArchive(store, source, options));
}

/** Exports images to a file. */
export async function exportFile(
  store: Store,
  file: string,
  names: readonly string[],
  options?: ExportOptions,
): Promise<{ size: number | undefined }> {
  const { bytes, size } = await exportImages(store, names, options);
  const written: Buffer[] = [];
  for await (const chunk of bytes) written.push(Buffer.from(chunk));
  fs.writeFileSync(file, Buffer.concat(written));
  return { size };
}

/** What skopeo says of an image: the digests of its layers, and that of its configuration. */
export function inspected(image: string): { layers: string[]; config: string } {
  const { Layers: layers } = JSON.parse(tool('skopeo', 'inspect', image)) as { Layers: string[] };
  const raw = JSON.parse(tool('skopeo', 'inspect', '--raw', image)) as { config: { digest: string } };
  return { layers, config: raw.config.digest };
}

/** Makes index.json of a layout lead to an index of the image for two platforms, the second of which is not there. */
export function nest(sample: Pick<SampleImage, 'path'>, layout: string): string {
  const [entry] = (JSON.parse(fs.readFileSync(path.join(layout, 'index.json'), 'utf8')) as Index).manifests;
  const absent = { ...entry, digest: `sha256:${'0'.repeat(64)}` };
  const platform = (architecture: string): object => ({ platform: { os: 'linux', architecture } });
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    manifests: [
      { ...absent, annotations: undefined, ...platform('s390x') },
      { ...entry, annotations: undefined, ...platform('amd64') },
    ],
  });
  fs.writeFileSync(sample.path('nested'), text);
  const hex = sha256sum(sample.path('nested'));
  fs.copyFileSync(sample.path('nested'), path.join(layout, 'blobs/sha256', hex));
  const annotations = {
    'org.opencontainers.image.ref.name': '1',
    'io.containerd.image.name': 'docker.io/busy/box:1',
  };
  const manifests = [{ mediaType, digest: `sha256:${hex}`, size: text.length, annotations }];
  fs.writeFileSync(path.join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  return `sha256:${hex}`;
}

interface Index {
  readonly manifests: readonly { readonly digest: string; readonly size: number }[];
}
