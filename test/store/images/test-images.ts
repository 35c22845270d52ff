import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { type Digest, parseDigest } from '../../../store/digest.js';
import { type Descriptor, type Platform, REF_NAME, refNameOf } from '../../../store/images/descriptor.js';
import type { Chosen } from '../../../store/images/choose-image.js';
import { parseRef } from '../../../store/ref.js';
import type { StoreEvent } from '../../../store/report.js';
import type { Store, StoreOptions } from '../../../store/store.js';
import { temporaryStore, type TemporaryStore } from '../../helpers/stores.js';
import { type Files, tarOf } from '../layers/tools.js';

export const TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
} as const;

/** A descriptor as tools write it. */
export interface Described extends Descriptor {
  readonly digest: Digest;
}

/** How an image of a test is made; what is not said is as usual. */
export interface ImageShape {
  readonly platform?: Platform;
  readonly docker?: boolean;
  /** In the place of those of its layers. */
  readonly diffs?: readonly string[];
  readonly configType?: string;
}

export const AMD64: Platform = { architecture: 'amd64', os: 'linux' };

/** A store with images of the test's own. */
export class TestImages {
  readonly events: readonly StoreEvent[];
  readonly #t: ExecutionContext;
  readonly #opened: Pick<TemporaryStore, 'store'>;
  #count = 0;

  private constructor(t: ExecutionContext, opened: Pick<TemporaryStore, 'store'>, events: StoreEvent[]) {
    this.#t = t;
    this.#opened = opened;
    this.events = events;
  }

  /** Images in a store that is open. */
  static of(t: ExecutionContext, opened: Pick<TemporaryStore, 'store'>): TestImages {
    return new TestImages(t, opened, []);
  }

  /** Images in a new store, which ends with the test. */
  static async open(
    t: ExecutionContext,
    options: StoreOptions = {},
  ): Promise<TestImages & { readonly opened: TemporaryStore }> {
    const events: StoreEvent[] = [];
    const report = (event: StoreEvent): void => void events.push(event);
    const opened = await temporaryStore(t, { platform: AMD64, report, ...options });
    return Object.assign(new TestImages(t, opened, events), { opened });
  }

  get store(): Store {
    return this.#opened.store;
  }

  /** Commits a blob. */
  async blob(content: Buffer | object, mediaType: string): Promise<Described> {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const digest = sha256(bytes);
    const { ingests } = this.store;
    const ingest = await ingests.create(parseRef(`blob-${++this.#count}`), 'sha256');
    for (let at = 0; at < bytes.length;) at += (await ingest.write(bytes.subarray(at), at)).size;
    ingest.unlock();
    await ingests.commit(ingest, { digest });
    return { mediaType, digest, size: bytes.length };
  }

  /** Takes the file of a blob away, past the store. */
  lose({ digest }: Described): void {
    fs.unlinkSync(this.store.blobs.path(digest));
  }

  /** A layer of some files, and its DiffID. */
  async layer(files: Files): Promise<{ blob: Described; diff: Digest }> {
    const tar = tarOf(this.#t, files);
    return { blob: await this.blob(gzipSync(tar), `${TYPES.layer}+gzip`), diff: sha256(tar) };
  }

  /** The same layer as another blob, and its tar. */
  async recompressed(layer: {
    readonly blob: Described;
    readonly diff: Digest;
  }): Promise<{ blob: Described; diff: Digest; tar: Buffer }> {
    const tar = gunzipSync(fs.readFileSync(this.store.blobs.path(layer.blob.digest)));
    return { blob: await this.blob(gzipSync(tar, { level: 0 }), TYPES.layer), diff: layer.diff, tar };
  }

  /** An image of such layers; its manifest. */
  async image(
    layers: readonly { readonly blob: Described; readonly diff: string }[],
    { platform = AMD64, docker = false, diffs, configType }: ImageShape = {},
  ): Promise<Described> {
    const rootfs = { type: 'layers', diff_ids: diffs ?? layers.map(({ diff }) => diff) };
    const type = configType ?? (docker ? TYPES.dockerConfig : TYPES.config);
    const config = await this.blob({ ...platform, rootfs }, type);
    const mediaType = docker ? TYPES.dockerManifest : TYPES.manifest;
    const manifest = { schemaVersion: 2, mediaType, config, layers: layers.map(({ blob }) => blob) };
    return { ...(await this.blob(manifest, mediaType)), platform };
  }

  index(manifests: readonly Descriptor[], mediaType: string = TYPES.index): Promise<Described> {
    return this.blob({ schemaVersion: 2, mediaType, manifests }, mediaType);
  }

  /** Gives an image a name, in index.json. */
  async name(name: string, image: Described): Promise<void> {
    await this.store.images.put([{ ...withoutPlatform(image), annotations: { [REF_NAME]: name } }]);
  }

  /** Takes a name away from whatever has it. */
  async unname(name: string): Promise<void> {
    await this.store.images.removeAll((entry) => refNameOf(entry) === name);
  }

  /** What a name leads to. */
  async chosen(name: string): Promise<Chosen> {
    const { unpacked } = this.store;
    return unpacked.choose((await unpacked.names()).require(name));
  }

  /** The chains of an image, the lowest first. */
  async chains(name: string): Promise<Digest[]> {
    return (await this.chosen(name)).image?.layers.map(({ chain }) => chain) ?? [];
  }

  /** The chains of all layers that are registered, sorted. */
  async registered(): Promise<Digest[]> {
    await this.store.layers.load();
    return this.store.layers
      .all()
      .map(({ chain }) => chain)
      .sort();
  }

  /** What was complained of: messages and errors. */
  get complaints(): string[] {
    return this.events
      .filter(({ level }) => level !== 'info')
      .map(({ message, fields }) => `${message}: ${String(fields['error'])}`);
  }
}

/** A descriptor that does not say what the image runs on. */
export function withoutPlatform({ mediaType, digest, size }: Described): Described {
  return { ...(mediaType !== undefined && { mediaType }), digest, size };
}

export function sha256(bytes: Buffer): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
}
