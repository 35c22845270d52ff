import { constants } from 'node:fs';
import { type Digest, digestOf, hexOf, isHexOf } from '../../store/digest.js';
import type { Layer } from '../../store/layers/layer.js';
import { directoryAttr, nowNs, virtualInode } from '../attr.js';
import { bare } from '../errors.js';
import { type Attr, type Caller, type DirEntry, type Name, nameOf, type Node } from '../node.js';
import { tarNumber, viewNumber } from './view-number.js';
import type { Owner, Views } from './view.js';

const TAR = '.tar';

/** Registers the layer of a chain that an image leads to; undefined where none does. */
export type Bring = (chain: Digest, signal: AbortSignal) => Promise<Layer | undefined>;

/**
 * `layers/sha256/`: each layer as the tree `<chain>` and as the tar `<chain>.tar`. Those of images come to be when they
 * are first looked up.
 */
export class LayerDirectory implements Node {
  readonly type = constants.S_IFDIR;
  readonly validity = { entry: 3600, attr: 1 };
  readonly frozen = true;
  readonly #views: Views;
  readonly #ino: number;
  readonly #owner: Owner;
  readonly #bring: Bring;
  #changed = nowNs();

  constructor(path: string, views: Views, owner: Owner, bring: Bring) {
    this.#views = views;
    this.#owner = owner;
    this.#bring = bring;
    this.#ino = virtualInode(path);
  }

  attr(): Attr {
    return directoryAttr(this.#ino, 0o555, this.#owner, this.#changed);
  }

  async lookup(name: Name, { signal }: Caller): Promise<Node | undefined> {
    const { layers } = this.#views;
    // Not waited for: the kernel holds the lock of a directory in which a mount may have to be made.
    void this.#views.onLook();
    const hex = name.endsWith(TAR) ? name.slice(0, -TAR.length) : name;
    if (!isHexOf('sha256', hex)) return undefined;
    await layers.load();
    const chain = digestOf('sha256', hex);
    const layer = layers.get(chain) ?? (await this.#brought(chain, signal));
    if (layer === undefined) return undefined;
    return name.endsWith(TAR) ? this.#views.tar(layer) : this.#views.root(layer);
  }

  async *entries(): AsyncIterable<readonly DirEntry[]> {
    const { layers } = this.#views;
    await layers.load();
    for (const layer of layers.all()) yield namesOf(layer);
  }

  async #brought(chain: Digest, signal: AbortSignal): Promise<Layer | undefined> {
    try {
      return await this.#bring(chain, signal);
    } catch (error) {
      throw bare(error, signal);
    }
  }

  /** A layer has come or gone; the names that it has, or had. */
  changed(layer: Layer): Name[] {
    this.#changed = nowNs();
    return namesOf(layer).map(({ name }) => name);
  }
}

function namesOf(layer: Layer): DirEntry[] {
  const name = hexOf(layer.chain);
  const root = viewNumber({ layer: layer.number, position: 0, directory: true });
  return [
    { name: nameOf(name), ino: root, type: constants.S_IFDIR },
    { name: nameOf(name + TAR), ino: tarNumber(layer.number), type: constants.S_IFREG },
  ];
}
