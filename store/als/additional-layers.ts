import type { Blobs } from '../blobs.js';
import { MAGIC_SIZE, type Format, formatOf } from '../compression/format.js';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { close, fstat, read } from '../files.js';
import type { BlobDiffs } from '../images/blob-diffs.js';
import type { ImageMap, ImageMaps, Leading } from '../images/image-maps.js';
import type { ImageLayer } from '../images/image.js';
import { SharedWork } from '../images/shared-work.js';
import type { UnpackedImages } from '../images/unpacked-images.js';
import { KeyedTurns } from '../keyed-turns.js';
import type { Holder } from '../layers/holders.js';
import type { Layer } from '../layers/layer.js';
import type { Held, Layers } from '../layers/layers.js';
import type { Report } from '../report.js';
import type { TreeReader } from '../tree/reader.js';
import type { Uses } from './uses.js';

/** A layer as the path of it below `.cas/als/` names it. */
export interface Named {
  readonly path: string;
  /** The digest of its blob. */
  readonly blob: Digest;
  /** The image that it is wanted for, where the path says so. */
  readonly ref?: string;
}

/** The numbers of archive.Compression of containers/storage. */
const COMPRESSION: Readonly<Record<Format, number>> = { tar: 0, gzip: 2, zstd: 4 };

interface Parts {
  readonly uses: Uses;
  readonly maps: ImageMaps;
  readonly unpacked: UnpackedImages;
  readonly layers: Layers;
  readonly diffs: BlobDiffs;
  readonly blobs: Blobs;
}

/** Somebody who has said, through a path below `.cas/als/`, that a layer is in use. */
function useHolder(path: string): Holder {
  return `use ${path}` as Holder;
}

/** Who has said to use which of these layers. */
export async function heldByUses(uses: Uses, layers: readonly Layer[], report: Report): Promise<Held> {
  if (layers.length === 0) return { holds: [], complete: true };
  try {
    await uses.load();
    return { holds: uses.all().map(({ path, chain }) => [chain, useHolder(path)]), complete: true };
  } catch (error) {
    const fields = { error: String(error) };
    report({ level: 'error', message: 'it is not known which layers are in use', fields });
    return { holds: [], complete: false };
  }
}

/**
 * The layers of images one by one, by the digests of their blobs, as an additional layer store of containers/storage
 * has them. A blob can be a layer of several images and on different layers: unless a reference says which is meant, the
 * first whose layers are all there is. What configs say of it counts only where it is so; see {@link BlobDiffs}. What is
 * counted as used stays, and its path leads to the same layer.
 */
export class AdditionalLayers {
  readonly #parts: Parts;
  readonly #trees = new SharedWork<Digest, TreeReader>();
  readonly #turns = new KeyedTurns<string>();
  readonly #byBlob = new WeakMap<ImageMap, ReadonlyMap<Digest, readonly Leading[]>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * The chain that a path leads to; undefined where no image has the blob as a layer. Where images do not agree what the
   * blob is, it is looked at.
   * @throws as {@link BlobDiffs.find}; the system's errors
   */
  async find({ path, blob, ref }: Named, signal?: AbortSignal): Promise<Digest | undefined> {
    const { uses, maps, unpacked } = this.#parts;
    await uses.load();
    const used = uses.of(path);
    if (used !== undefined) return used.chain;
    const leading = await this.#truthful(blob, (await this.#leading()).get(blob) ?? [], signal);
    const place = ref === undefined ? undefined : (await maps.names()).at(ref.split('/'));
    const roots = new Set(place?.entries.map(({ digest }) => digest));
    const named = leading.filter(({ root }) => roots.has(root));
    const best = unpacked.best(named.length > 0 ? named : leading);
    return best?.image.layers[best.index]?.chain;
  }

  /** The digests of all blobs that are layers of images. @throws the system's errors */
  async blobs(): Promise<Digest[]> {
    return [...(await this.#leading()).keys()];
  }

  /**
   * The layer that a path leads to, registered where it is not yet, and known to be what the blob is: a use was counted
   * only of such a one.
   * @throws as UnpackedImages.bring and BlobDiffs.check; CasError LAYER_NOT_FOUND
   */
  async layer({ path, blob }: Named, chain: Digest, signal?: AbortSignal): Promise<Layer> {
    const { layers, unpacked, diffs, uses } = this.#parts;
    await layers.load();
    const layer = layers.get(chain) ?? (await unpacked.bring(chain, signal));
    if (layer === undefined) throw new CasError('LAYER_NOT_FOUND', { subject: chain });
    if (uses.of(path)?.chain !== chain)
      await diffs.check({ blob: { digest: blob }, diff: layer.diff, chain }, signal);
    return layer;
  }

  /** The tree of what a layer itself has; those who want the same one wait for it together. @throws as Layers.ownTree */
  tree(layer: Layer, signal?: AbortSignal): Promise<TreeReader> {
    return this.#trees.join(layer.chain, (ended) => this.#parts.layers.ownTree(layer, ended), signal);
  }

  /** What containers/storage writes down of a layer. @throws as {@link layer}; CasError BLOB_NOT_FOUND */
  async info(named: Named, chain: Digest): Promise<object> {
    const { blob } = named;
    const { diff, size } = await this.layer(named, chain);
    const fd = await this.#parts.blobs.open(blob);
    try {
      const head = Buffer.alloc(MAGIC_SIZE);
      const format = formatOf(head.subarray(0, await read(fd, head, 0)));
      return {
        'compressed-diff-digest': blob,
        'compressed-size': Number(fstat(fd).size),
        'diff-digest': diff,
        'diff-size': size,
        compression: COMPRESSION[format],
      };
    } finally {
      await close(fd);
    }
  }

  /** Counts a use of a layer, which stays from then on. @throws as {@link layer}; the system's errors */
  async use(named: Named, chain: Digest): Promise<void> {
    const { path, blob } = named;
    const { uses, layers } = this.#parts;
    await this.layer(named, chain);
    await this.#turns.take(path, async () => {
      // Held before it is counted: one that is counted is there.
      layers.hold(chain, useHolder(path));
      try {
        await uses.count({ path, blob, chain }, 1);
      } finally {
        await this.#letGo(path, chain);
      }
    });
  }

  /** Counts one use less. A layer that nobody uses can go. */
  async release(path: string): Promise<void> {
    const { uses } = this.#parts;
    await uses.load();
    await this.#turns.take(path, async () => {
      const used = uses.of(path);
      if (used === undefined) return;
      await uses.count(used, -1);
      await this.#letGo(path, used.chain);
    });
  }

  /** How often a path is counted as used. */
  usesOf(path: string): number {
    return this.#parts.uses.of(path)?.count ?? 0;
  }

  /** @throws CasError LAYER_HELD where a layer of the blob is in use */
  async checkUnused(digest: Digest): Promise<void> {
    await this.#parts.uses.load();
    const use = this.#parts.uses.all().find(({ blob }) => blob === digest);
    if (use !== undefined)
      throw new CasError('LAYER_HELD', { subject: digest, found: `a use of .cas/als/${use.path}` });
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.#trees.close();
    await this.#parts.uses.close();
  }

  /** Unless it is used, and while nobody comes to use it. */
  async #letGo(path: string, chain: Digest): Promise<void> {
    const { uses, layers } = this.#parts;
    const holder = useHolder(path);
    if (uses.of(path)?.chain !== chain && layers.holdersOf(chain).includes(holder))
      await layers.release(chain, holder);
  }

  /** Of those that have a blob as a layer, those that say nothing false of it; all where there is no such one. */
  async #truthful(
    blob: Digest,
    leading: readonly Leading[],
    signal?: AbortSignal,
  ): Promise<readonly Leading[]> {
    const { layers, diffs } = this.#parts;
    const claimOf = ({ image, index }: Leading): ImageLayer | undefined => image.layers[index];
    if (new Set(leading.map((one) => claimOf(one)?.diff)).size > 1) await diffs.find(blob, signal);
    await layers.load();
    const truthful = leading.filter((one) => {
      const claim = claimOf(one);
      return claim !== undefined && diffs.known(claim) !== false;
    });
    return truthful.length > 0 ? truthful : leading;
  }

  async #leading(): Promise<ReadonlyMap<Digest, readonly Leading[]>> {
    const { maps } = this.#parts;
    const map = maps.now ?? (await maps.current());
    const known = this.#byBlob.get(map);
    if (known !== undefined) return known;
    const all = new Map<Digest, Leading[]>();
    for (const some of map.chains.values())
      for (const leading of some) {
        const digest = leading.image.layers[leading.index]?.blob.digest;
        if (digest === undefined) continue;
        const others = all.get(digest);
        if (others === undefined) all.set(digest, [leading]);
        else others.push(leading);
      }
    this.#byBlob.set(map, all);
    return all;
  }
}
