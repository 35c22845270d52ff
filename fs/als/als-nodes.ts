import type { AdditionalLayers } from '../../store/als/additional-layers.js';
import type { Digest } from '../../store/digest.js';
import type { Layer } from '../../store/layers/layer.js';
import type { Awaitable, Node } from '../node.js';
import type { Owner, Views } from '../view/view.js';
import { AlsLayer } from './als-layer.js';

/** What the nodes of `.cas/als/` share. */
export class AlsNodes {
  readonly additional: AdditionalLayers;
  readonly views: Views;
  readonly owner: Owner;
  /** The file of a blob; undefined where it is not there. */
  readonly blob: (digest: Digest) => Awaitable<Node | undefined>;
  /** The directories that the kernel remembers, by their paths and chains. */
  readonly #known = new Map<string, Node>();

  constructor(
    { additional }: { readonly additional: AdditionalLayers },
    views: Views,
    owner: Owner,
    blob: AlsNodes['blob'],
  ) {
    this.additional = additional;
    this.views = views;
    this.owner = owner;
    this.blob = blob;
  }

  /** A directory: the same one as long as the kernel remembers it. */
  known(key: string, make: () => Node): Node {
    const node = this.#known.get(key) ?? make();
    this.#known.set(key, node);
    return node;
  }

  forget(key: string): void {
    this.#known.delete(key);
  }

  /** The directories in which `diff` is that layer. */
  of({ chain }: Layer): Node[] {
    return [...this.#known.values()].filter((node) => node instanceof AlsLayer && node.chain === chain);
  }
}
