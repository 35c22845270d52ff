import { CasError } from '../../store/errors.js';
import { findLayer } from '../../store/layers/find-layer.js';
import { holdWhile } from '../../store/layers/hold-while.js';
import { USER } from '../../store/layers/holders.js';
import type { Layer } from '../../store/layers/layer.js';
import { tarSplitOf } from '../../store/layers/tar-split.js';
import { exportTar } from '../../store/split/export.js';
import type { Store } from '../../store/store.js';
import { gzipped } from '../gzipped.js';
import { layerDetail, layerLine, removedLines } from './layer-lines.js';
import type { LayerLine } from './protocol.js';
import { register, SOURCES, TAR_SPLIT } from './register.js';
import { Bytes, given, one, type Query, requiring, type Route } from './route.js';

/** The requests for layers. A chain is given as {@link findLayer} takes it. */
export const LAYER_ROUTES: readonly Route[] = [
  {
    method: 'GET',
    url: '/v1/layers',
    schema: requiring(),
    handle: ({ store }) => allLayers(store),
  },
  {
    method: 'POST',
    url: '/v1/layers',
    schema: {
      querystring: {
        type: 'object',
        properties: {
          ...SOURCES.properties,
          ...TAR_SPLIT,
          on: { type: 'string' },
          stack: { type: 'string' },
        },
        oneOf: SOURCES.oneOf,
        // A stack has its top below what is pushed.
        not: { required: ['on', 'stack'] },
        additionalProperties: false,
      },
    },
    handle: ({ store }, query, call) => {
      const { layers, stacks } = store;
      const stack = one(query['stack']);
      return register(store, query, call, async (source, how) => {
        if (stack !== undefined) return stacks.push(stack, source, how);
        const on = one(query['on']);
        const parent = on === undefined ? undefined : (await findLayer(layers, on)).chain;
        return layers.register(source, { ...how, holder: USER, ...(parent && { parent }) });
      });
    },
  },
  {
    method: 'GET',
    url: '/v1/layer',
    schema: requiring('chain'),
    handle: async ({ store }, query) => layerDetail(store, await named(store, query)),
  },
  {
    method: 'DELETE',
    url: '/v1/layer',
    schema: requiring('chain'),
    handle: async ({ store }, query) => {
      const { chain } = await named(store, query);
      const others = store.layers.holdersOf(chain).filter((holder) => holder !== USER);
      if (others.length > 0) throw new CasError('LAYER_HELD', { subject: chain, found: others.join(', ') });
      return removedLines(await store.layers.discard(chain));
    },
  },
  {
    method: 'GET',
    url: '/v1/layer/tar',
    schema: requiring('chain'),
    handle: async ({ store }, query) => {
      const { layers } = store;
      const layer = await named(store, query);
      const tar = async (): Promise<AsyncIterable<Buffer>> => exportTar(await layers.tar(layer), layer.diff);
      return new Bytes(holdWhile(layers, layer, 'export', tar));
    },
  },
  {
    method: 'GET',
    url: '/v1/layer/tar-split',
    schema: requiring('chain'),
    handle: async ({ store }, query) => {
      const { layers } = store;
      const layer = await named(store, query);
      return new Bytes(holdWhile(layers, layer, 'tar-split', () => gzipped(tarSplitOf(layers, layer))));
    },
  },
];

async function named(store: Store, { chain }: Query): Promise<Layer> {
  await store.stacks.load();
  return findLayer(store.layers, given(chain));
}

/** The oldest first. */
async function* allLayers(store: Store): AsyncGenerator<LayerLine> {
  await store.layers.load();
  const layers = [...store.layers.all()];
  layers.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || (a.chain < b.chain ? -1 : 1));
  for (const layer of layers) yield layerLine(store, layer);
}
