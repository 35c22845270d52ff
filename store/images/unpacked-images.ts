import type { Blobs } from '../blobs.js';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import type { Layer } from '../layers/layer.js';
import type { Layers } from '../layers/layers.js';
import type { Progress } from '../layers/split-tar.js';
import type { Report } from '../report.js';
import type { BlobDiffs } from './blob-diffs.js';
import { type Chosen, chooseImage, imageOf } from './choose-image.js';
import { type Platform, refNameOf } from './descriptor.js';
import type { Documents } from './documents.js';
import { ImageHolds } from './held-by-images.js';
import { checkLayers } from './check-layers.js';
import type { Image, ImageLayer } from './image.js';
import type { ImageIndex } from './image-index.js';
import { doubtText, type ImageMaps, type Leading } from './image-maps.js';
import type { ImageNames, NamedPlace } from './image-names.js';
import { bytesOf, failureOf, imageStatus, type ImageStatus, isRegistered } from './image-status.js';
import type { Reference } from './manifest.js';
import { hostPlatform, runsOn } from './platform.js';
import { Registrations } from './register-image.js';

interface Parts {
  readonly index: ImageIndex;
  readonly maps: ImageMaps;
  readonly documents: Documents;
  readonly blobs: Blobs;
  readonly layers: Layers;
  readonly diffs: BlobDiffs;
  /** What image indexes are looked through for. Default: that of this machine. */
  readonly platform: Platform | undefined;
  readonly report: Report;
}

/**
 * The images of index.json and their root file systems, whose layers are registered when they are first used. An entry
 * of index.json holds all layers that it leads to, and the blobs.
 */
export class UnpackedImages {
  readonly #parts: Parts;
  readonly #platform: Platform;
  readonly #registrations: Registrations;
  readonly #holds: ImageHolds;

  constructor(parts: Parts) {
    const { index, maps, blobs, layers, diffs, report, platform } = parts;
    this.#parts = parts;
    this.#platform = platform ?? hostPlatform();
    this.#holds = new ImageHolds(maps, layers, report);
    this.#registrations = new Registrations(blobs, layers, diffs, report, () => {
      // The entry may have gone meanwhile, after it had nothing to let go.
      void this.#holds.settle();
    });
    index.onChange(() => void this.#holds.settle());
    maps.onBuilt(({ chains }) => {
      this.#registrations.forget((chain) => !chains.has(chain));
      diffs.forget(({ chain }) => !chains.has(chain));
    });
    blobs.placed = (digest) => {
      maps.placed(digest);
      this.#registrations.forget((_chain, blob) => blob === digest);
      diffs.forget(({ blob }) => blob.digest === digest);
    };
  }

  /** The names of images. @throws CasError INDEX_DAMAGED; the system's error */
  names(): Promise<ImageNames> {
    return this.#parts.maps.names();
  }

  /** When index.json was written, as far as it is known. */
  get writtenAt(): Date {
    return this.#parts.index.current.writtenAt;
  }

  /** The image at a place that has one: for this platform where there are several. @throws the system's errors */
  choose({ entries }: NamedPlace): Promise<Chosen> {
    const fits = entries.find(({ platform }) => platform && runsOn(platform, this.#platform));
    const entry = fits ?? entries[0];
    if (entry === undefined) throw new CasError('IMAGE_NOT_FOUND');
    return chooseImage(this.#parts.documents, entry, this.#platform);
  }

  /** The image of a manifest of an index. @throws the system's errors */
  async at(manifest: Reference): Promise<Chosen> {
    const found = await imageOf(this.#parts.documents, manifest);
    return { entry: manifest, manifest, platforms: new Map(), ...found };
  }

  /**
   * The layer of a chain that is none of the store's yet, but one of an image: it is registered, with those below it.
   * @returns undefined where no image leads to it
   * @throws as {@link Registrations.register}; the system's error because of which it is not known whether one does
   */
  async bring(chain: Digest, signal?: AbortSignal): Promise<Layer | undefined> {
    const { maps } = this.#parts;
    const map = maps.now ?? (await maps.current().catch(() => undefined));
    const leading = this.best(map?.chains.get(chain) ?? []);
    if (leading === undefined && map?.doubt !== undefined) throw map.doubt.failure;
    if (leading === undefined) return undefined;
    return this.#registrations.register(leading, await this.#nameOf(leading.root), signal);
  }

  /**
   * Registers all layers of an image; what failed before is tried again.
   * @throws CasError IMAGE_INVALID where it has none; as {@link Registrations.register}
   */
  async unpack(
    name: string,
    { entry, image, fault }: Chosen,
    signal?: AbortSignal,
    progress: (progress: Progress) => void = () => undefined,
  ): Promise<Layer> {
    if (image === undefined || image.layers.length === 0)
      throw (
        fault ??
        new CasError('IMAGE_INVALID', { subject: name, found: 'no image for this platform with layers' })
      );
    await this.#parts.layers.load();
    const chains = new Set(image.layers.map(({ chain }) => chain));
    const total = image.layers.reduce((sum, { blob }) => sum + blob.size, 0);
    this.#registrations.forget((chain) => chains.has(chain));
    const entries = new Map<Digest, number>();
    const unwatch = this.#registrations.watch((chain, latest) => {
      if (!chains.has(chain)) return;
      entries.set(chain, latest.entries);
      const bytes = bytesOf(image, this.#state);
      progress({ bytes, total, entries: [...entries.values()].reduce((sum, count) => sum + count, 0) });
    });
    try {
      await this.#check(image, name, signal);
      const leading = { root: entry.digest, image, index: image.layers.length - 1 };
      const layer = await this.#registrations.register(leading, name, signal);
      // Another image may have had them registered meanwhile.
      await this.#check(image, name, signal);
      return layer;
    } finally {
      unwatch();
    }
  }

  /**
   * Settles once what `rootfs` of an image leads to is known to be what its manifest names, as far as it is there: a
   * config can name layers of others.
   * @throws CasError DIGEST_MISMATCH where it is not; BLOB_NOT_FOUND, BLOB_DAMAGED, LAYER_INVALID; the signal's reason
   */
  async checkTree({ entry, image }: Chosen, signal?: AbortSignal): Promise<void> {
    if (image === undefined || image.layers.length === 0) return;
    await this.#parts.layers.load();
    await this.#check(image, entry.digest, signal);
  }

  /** Whether a layer of an image is registered, and known to be what its blob is. Call after the layers are loaded. */
  isRegistered(layer: ImageLayer): boolean {
    return isRegistered(layer, this.#parts);
  }

  /** Settles when what index.json no longer leads to has been let go. */
  settle(): Promise<void> {
    return this.#holds.settle();
  }

  /** How an image is. */
  async status(name: string, chosen: Chosen): Promise<ImageStatus> {
    await this.#parts.layers.load();
    return imageStatus(name, chosen, this.#state);
  }

  /**
   * Removes a blob that nothing needs. Meanwhile index.json does not change: what is acknowledged of it later has not had
   * the blob.
   * @param isUnneeded throws where others need it
   * @throws CasError BLOB_HELD where an entry of index.json leads to it, or may; INDEX_DAMAGED; as Blobs.remove
   */
  async removeBlob(digest: Digest, isUnneeded: () => Promise<void>): Promise<void> {
    await this.#parts.index.undisturbed(async () => {
      await this.checkUnneeded(digest);
      await isUnneeded();
      await this.#parts.blobs.remove(digest);
    });
  }

  /** @throws CasError BLOB_HELD where an entry of index.json leads to a blob, or may; INDEX_DAMAGED */
  async checkUnneeded(digest: Digest): Promise<void> {
    const { maps } = this.#parts;
    const { digests, roots, doubt } = maps.now ?? (await maps.current());
    if (!digests.has(digest)) {
      if (doubt === undefined) return;
      const found = `perhaps ${doubtText(doubt, await this.#nameOf(doubt.root))}`;
      throw new CasError('BLOB_HELD', { subject: digest, found });
    }
    const [root] = [...roots].find(([, reach]) => reach.digests.has(digest)) ?? [];
    throw new CasError('BLOB_HELD', { subject: digest, ...(root && { found: await this.#nameOf(root) }) });
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.#registrations.close();
    await this.#parts.diffs.close();
    await this.#holds.settle();
  }

  get #state(): {
    readonly registrations: Registrations;
    readonly layers: Layers;
    readonly diffs: BlobDiffs;
  } {
    const { layers, diffs } = this.#parts;
    return { registrations: this.#registrations, layers, diffs };
  }

  async #check(image: Image, name: string, signal?: AbortSignal): Promise<void> {
    const { layers, diffs, maps, report } = this.#parts;
    if (image.layers.every((layer) => diffs.known(layer) === true)) return;
    const { chains } = maps.now ?? (await maps.current());
    const known = failureOf(image, this.#state)?.message;
    try {
      await checkLayers(image, { layers, diffs, leading: (chain) => chains.get(chain) ?? [] }, signal);
    } catch (error) {
      const now = failureOf(image, this.#state)?.message;
      const fields = { image: name, manifest: image.manifest.digest, error: String(now) };
      // One look at a path is several lookups.
      if (now !== known && signal?.aborted !== true)
        report({ level: 'warn', message: 'an image cannot be shown to have its layers', fields });
      throw error;
    }
  }

  /** One whose layers are there or have their blobs, where there is such a one. */
  best(found: readonly Leading[]): Leading | undefined {
    const { blobs, layers } = this.#parts;
    const isWhole = ({ image, index }: Leading): boolean =>
      image.layers
        .slice(0, index + 1)
        .every(
          ({ chain, blob }) =>
            layers.get(chain) !== undefined ||
            (blobs.stat(blob.digest) !== undefined && !this.#registrations.refused(chain, blob.digest)),
        );
    return found.find(isWhole) ?? found[0];
  }

  async #nameOf(root: Digest): Promise<string> {
    const { entries } = await this.names();
    const entry = entries.find(({ digest }) => digest === root);
    return (entry && refNameOf(entry)) ?? root;
  }
}
