import type { Layer, RemovedLayer } from '../../store/layers/layer.js';
import type { Store } from '../../store/store.js';
import type { LayerDetail, LayerLine, Removed } from './protocol.js';

/** A layer as clients are told of it. */
export function layerLine({ layers }: Store, layer: Layer): LayerLine {
  const { chain, diff, parent = null, depth, size, entries, createdAt } = layer;
  const holders = [...layers.holdersOf(chain)].sort();
  return { chain, diff, parent, depth, size, entries, holders, created: createdAt.toISOString() };
}

/** The same with all that is known of its chain. */
export function layerDetail(store: Store, layer: Layer): LayerDetail {
  const { layers, stacks } = store;
  const chain = layers.chain(layer);
  const having = stacks.all().filter((stack) => stacks.layersOf(stack).includes(layer));
  return {
    ...layerLine(store, layer),
    chainSize: totalSize(chain),
    parents: chain.slice(0, -1).map(({ chain, diff, size, entries }) => ({ chain, diff, size, entries })),
    stacks: having.map(({ name }) => name).sort(),
  };
}

/** Layers that are gone. */
export function removedLines(removed: readonly RemovedLayer[]): Removed {
  return { removed: removed.map(({ chain, diff, diffSize }) => ({ chain, diff, size: diffSize })) };
}

/** Bytes of the tars of layers. */
export function totalSize(layers: readonly Layer[]): number {
  return layers.reduce((sum, { size }) => sum + size, 0);
}
