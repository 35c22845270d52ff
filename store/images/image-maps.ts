import type { Digest } from '../digest.js';
import { inBatches } from '../in-batches.js';
import type { Documents } from './documents.js';
import type { Image } from './image.js';
import type { ImageIndex } from './image-index.js';
import { ImageNames } from './image-names.js';
import { type Reach, reachOf } from './reach.js';

/** An image that has a chain, as its layer with that index. */
export interface Leading {
  /** The entry of index.json that leads to the image. */
  readonly root: Digest;
  readonly image: Image;
  readonly index: number;
}

/** What a version of index.json leads to. */
export interface ImageMap {
  readonly version: number;
  /** The digests of the entries, and what each leads to. */
  readonly roots: ReadonlyMap<Digest, Reach>;
  readonly chains: ReadonlyMap<Digest, readonly Leading[]>;
  /** All blobs that are led to. */
  readonly digests: ReadonlySet<Digest>;
  /** Whether that is all: no manifest or config is missing. */
  readonly complete: boolean;
  /** An entry of which it cannot be told now what else it leads to. */
  readonly doubt?: Doubt;
}

/** An entry of index.json whose manifests or configs the system fails to give, and how. */
export interface Doubt {
  readonly root: Digest;
  readonly failure: unknown;
}

/** What is in doubt, in words; `name` is that of the image. */
export function doubtText({ root, failure }: Doubt, name: string = root): string {
  return `${name}, which cannot be read now: ${failure instanceof Error ? failure.message : String(failure)}`;
}

/**
 * How long, in milliseconds, what the system failed to give is not asked for again: whoever unlinks ten thousand blobs
 * meanwhile shall not have it try as often.
 */
const PAUSE = 1000;

/**
 * What index.json leads to. It is found out when somebody needs it: then all manifests and configs are read that
 * entries lead to which were not there before.
 */
export class ImageMaps {
  readonly #index: ImageIndex;
  readonly #documents: Documents;
  #map: ImageMap | undefined;
  #names: { readonly version: number; readonly names: ImageNames } | undefined;
  /** Blobs that were missing, and have come. */
  #came = new Set<Digest>();
  #missing = new Set<Digest>();
  /** When what is in doubt may be looked at again, by the monotonic clock. */
  #again = 0;
  #building: Promise<void> | undefined;
  readonly #listeners: ((map: ImageMap) => void)[] = [];

  constructor(index: ImageIndex, documents: Documents) {
    this.#index = index;
    this.#documents = documents;
  }

  /** Has `built` called with each new map. */
  onBuilt(built: (map: ImageMap) => void): void {
    this.#listeners.push(built);
  }

  /** The map, where it is known for what there is now; one in doubt, until it is time to look again. */
  get now(): ImageMap | undefined {
    return this.#map?.version === this.#index.current.version && !this.#isOld(this.#map)
      ? this.#map
      : undefined;
  }

  /** The map of what there is at the call, or later. @throws what reading index.json throws */
  async current(): Promise<ImageMap> {
    await this.#index.load();
    const { version } = this.#index.current;
    for (;;) {
      const map = this.#map;
      if (map !== undefined && map.version >= version && !this.#isOld(map)) return map;
      this.#building ??= this.#build().finally(() => (this.#building = undefined));
      await this.#building;
    }
  }

  /** The names of what there is now. @throws as {@link current} */
  async names(): Promise<ImageNames> {
    await this.#index.load();
    return this.#namesNow().names;
  }

  /** A blob has come. */
  placed(digest: Digest): void {
    if (this.#building !== undefined || this.#missing.has(digest)) this.#came.add(digest);
  }

  #isOld({ doubt }: ImageMap): boolean {
    return this.#came.size > 0 || (doubt !== undefined && performance.now() >= this.#again);
  }

  #namesNow(): { readonly version: number; readonly names: ImageNames } {
    const { version, index } = this.#index.current;
    if (this.#names?.version !== version) this.#names = { version, names: new ImageNames(index.manifests) };
    return this.#names;
  }

  async #build(): Promise<void> {
    const { version, names } = this.#namesNow();
    const { entries } = names;
    const [came, before] = [this.#came, this.#map?.roots];
    this.#came = new Set();
    const unique = [...new Map(entries.map((entry) => [entry.digest, entry])).values()];
    const reaches = await inBatches(unique, async (entry): Promise<[Digest, Reach]> => {
      const { digest } = entry;
      const known = before?.get(digest);
      const isKnown = known !== undefined && known.failure === undefined;
      const again = !isKnown || known.missing.some((one) => came.has(one));
      return [digest, again ? await reachOf(this.#documents, entry) : known];
    });
    const roots = new Map(reaches);
    const map = mapOf(version, roots);
    this.#missing = new Set([...roots.values()].flatMap(({ missing }) => missing));
    // What has come meanwhile may have come after it was looked for.
    this.#came = new Set([...this.#came].filter((digest) => this.#missing.has(digest)));
    this.#map = map;
    this.#again = performance.now() + PAUSE;
    for (const built of this.#listeners) built(map);
  }
}

function mapOf(version: number, roots: ReadonlyMap<Digest, Reach>): ImageMap {
  const chains = new Map<Digest, Leading[]>();
  const digests = new Set<Digest>();
  let complete = true;
  let doubt: Doubt | undefined;
  for (const [root, reach] of roots) {
    const { failure } = reach;
    if (failure !== undefined) doubt ??= { root, failure };
    if (reach.missing.length > 0 || failure !== undefined) complete = false;
    for (const digest of reach.digests) digests.add(digest);
    for (const image of reach.images) {
      for (const [index, { chain }] of image.layers.entries()) {
        const leading = chains.get(chain);
        if (leading === undefined) chains.set(chain, [{ root, image, index }]);
        else leading.push({ root, image, index });
      }
    }
  }
  return { version, roots, chains, digests, complete, ...(doubt && { doubt }) };
}
