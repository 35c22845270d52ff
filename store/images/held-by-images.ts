import type { Digest } from '../digest.js';
import { DOUBT, type Holder } from '../layers/holders.js';
import type { Layer } from '../layers/layer.js';
import type { Claims } from '../layers/layer-changes.js';
import type { Held, Layers } from '../layers/layers.js';
import type { Report } from '../report.js';
import { shareCalls } from '../shared-call.js';
import { doubtText, type ImageMap, type ImageMaps } from './image-maps.js';

const PREFIX = 'image ';

/** An entry of index.json, by its digest, which holds all layers of the store that it leads to. */
export function imageHolder(root: Digest): Holder {
  return `${PREFIX}${root}` as Holder;
}

/** The entry that a holder is; undefined where it is something else. */
function rootOf(holder: Holder): Digest | undefined {
  return holder.startsWith(PREFIX) ? (holder.slice(PREFIX.length) as Digest) : undefined;
}

/** Who of the entries of index.json holds which of the layers that are there. Without layers nothing is read. */
export async function heldByImages(maps: ImageMaps, layers: readonly Layer[], report: Report): Promise<Held> {
  if (layers.length === 0) return { holds: [], complete: true };
  try {
    const map = await maps.current();
    return { holds: layers.flatMap((layer) => holdsOf(map, layer)), complete: map.complete };
  } catch (error) {
    const fields = { error: String(error) };
    report({ level: 'error', message: 'it is not known which layers images need', fields });
    return { holds: [], complete: false };
  }
}

function holdsOf(map: ImageMap, { chain }: Layer): (readonly [Digest, Holder])[] {
  return rootsOf(map, chain).map((root) => [chain, imageHolder(root)] as const);
}

function rootsOf({ chains }: ImageMap, chain: Digest): Digest[] {
  return [...new Set(chains.get(chain)?.map(({ root }) => root))];
}

/** Whether somebody whom {@link ImageHolds} has hold layers still needs them. */
function stays({ roots, doubt }: ImageMap, holder: Holder): boolean {
  const root = rootOf(holder);
  return root === undefined ? doubt !== undefined : roots.has(root);
}

/**
 * Keeps the holds of images on layers as index.json has them. What is acknowledged of index.json holds from then on: before
 * a layer goes, the images of that moment are asked.
 */
export class ImageHolds implements Claims {
  readonly #maps: ImageMaps;
  readonly #layers: Layers;
  readonly #report: Report;
  #doubt: string | undefined;

  constructor(maps: ImageMaps, layers: Layers, report: Report) {
    this.#maps = maps;
    this.#layers = layers;
    this.#report = report;
    layers.claims = this;
    maps.onBuilt((map) => {
      this.#hold(map, layers.all());
      this.#setDoubt(map.doubt && doubtText(map.doubt));
    });
    layers.onChange((layer) => {
      if (maps.now !== undefined && layers.get(layer.chain) === layer) this.#hold(maps.now, [layer]);
    });
  }

  /** Why it cannot be told now what images need; undefined where it can. */
  get doubt(): string | undefined {
    return this.#doubt;
  }

  claim({ chain }: Layer): Promise<void> | undefined {
    const map = this.#maps.now;
    if (map === undefined)
      return this.#maps.current().then(
        () => undefined,
        (error: unknown) => {
          this.#setDoubt(String(error));
          this.#layers.hold(chain, DOUBT);
        },
      );
    for (const root of rootsOf(map, chain)) this.#layers.hold(chain, imageHolder(root));
    if (map.doubt !== undefined) this.#layers.hold(chain, DOUBT);
    return undefined;
  }

  /**
   * Index.json has changed: those who lead to a layer come to hold it, then those who are gone let go. Without layers
   * there is nothing to do, and nothing is read. Settles when that is done.
   */
  readonly settle = shareCalls(() => this.#settle());

  async #settle(): Promise<void> {
    try {
      if (this.#layers.all().length === 0) return;
      await this.#maps.current();
      for (const [chain, holder] of this.#held()) {
        // While one is let go, an entry may come back.
        const map = this.#maps.now ?? (await this.#maps.current());
        if (stays(map, holder) || !this.#layers.holdersOf(chain).includes(holder)) continue;
        await this.#layers.release(chain, holder).catch((error: unknown) => this.#failed(error));
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const fields = { error: String(error) };
    this.#report({ level: 'error', message: 'layers of images cannot be let go', fields });
  }

  /** The holds of images, and of those that may be some; those on tops first. */
  #held(): (readonly [Digest, Holder])[] {
    const layers = [...this.#layers.all()].sort((a, b) => b.depth - a.depth);
    return layers.flatMap(({ chain }) =>
      this.#layers
        .holdersOf(chain)
        .filter((holder) => holder === DOUBT || rootOf(holder) !== undefined)
        .map((holder) => [chain, holder] as const),
    );
  }

  #setDoubt(doubt: string | undefined): void {
    const before = this.#doubt;
    this.#doubt = doubt;
    if (doubt !== undefined && doubt !== before) {
      const message = 'it is not known what images need: no blob is removed, nor a layer';
      this.#report({ level: 'warn', message, fields: { error: doubt } });
    }
    const layers = doubt === undefined && before !== undefined ? this.#layers.all() : [];
    if (layers.some(({ chain }) => this.#layers.holdersOf(chain).includes(DOUBT))) void this.settle();
  }

  #hold(map: ImageMap, layers: readonly Layer[]): void {
    for (const layer of layers)
      for (const [chain, holder] of holdsOf(map, layer)) this.#layers.hold(chain, holder);
  }
}
