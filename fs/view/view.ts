import type { Layer } from '../../store/layers/layer.js';
import type { Layers } from '../../store/layers/layers.js';
import type { TreeReader } from '../../store/tree/reader.js';
import type { Node } from '../node.js';
import { viewPlace } from './view-number.js';
import { TarFile } from './tar-file.js';
import { ViewNode } from './view-node.js';

/** Who owns what has no owner of its own. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A tree of a layer as it is shown: the merged one, or that of what the layer itself has. */
export interface View {
  readonly layer: Layer;
  readonly layers: Layers;
  readonly tree: TreeReader;
  readonly own: boolean;
}

/** The views that are shown. They begin with the first look at them, and end with their layers. */
export class Views {
  readonly layers: Layers;
  readonly #owner: Owner;
  readonly #shown = new WeakMap<Layer, View>();
  readonly #ownShown = new WeakMap<Layer, View>();

  constructor(layers: Layers, owner: Owner) {
    this.layers = layers;
    this.#owner = owner;
  }

  /** Called before something is looked up that leads to a view; what it gives may be waited for. */
  onLook: () => Promise<void> | undefined = () => undefined;

  /** The root of the tree of a layer. */
  async root(layer: Layer): Promise<Node> {
    return this.#root(this.#shown, layer, () => this.layers.tree(layer));
  }

  /** The root of the tree of what a layer itself has, which `tree` is asked for. */
  async ownRoot(layer: Layer, tree: () => Promise<TreeReader>): Promise<Node> {
    return this.#root(this.#ownShown, layer, tree);
  }

  /** The tar of a layer. */
  tar(layer: Layer): Node {
    return new TarFile(layer, this.layers, this.#owner);
  }

  /** The inode with a number; undefined where that is of no view, or of a layer that has gone. */
  at(number: number): Node | undefined {
    const place = viewPlace(number);
    const layer = place && this.layers.numbered(place.layer);
    if (layer === undefined) return undefined;
    if (place?.position === undefined) return this.tar(layer);
    const view = (place.own === true ? this.#ownShown : this.#shown).get(layer);
    return view && new ViewNode(view, place.position, place.directory);
  }

  async #root(shown: WeakMap<Layer, View>, layer: Layer, tree: () => Promise<TreeReader>): Promise<Node> {
    let view = shown.get(layer);
    if (view === undefined) {
      view = { layer, layers: this.layers, tree: await tree(), own: shown === this.#ownShown };
      shown.set(layer, view);
    }
    return new ViewNode(view, 0, true);
  }
}
