import { algorithmOf, isDigest } from '../../store/digest.js';
import { CasError, isCasError } from '../../store/errors.js';
import { findLayer } from '../../store/layers/find-layer.js';
import type { Layer } from '../../store/layers/layer.js';
import type { Stack } from '../../store/stacks/stack-files.js';
import type { Store } from '../../store/store.js';
import { layerLine, removedLines, totalSize } from './layer-lines.js';
import type { RegisteredLine, RegistrationLine, StackLine } from './protocol.js';
import { register, SOURCES } from './register.js';
import { type Call, given, one, type Query, requiring, type Route } from './route.js';

/** The requests for stacks. */
export const STACK_ROUTES: readonly Route[] = [
  {
    method: 'GET',
    url: '/v1/stacks',
    schema: requiring(),
    handle: ({ store }) => allStacks(store),
  },
  {
    method: 'POST',
    url: '/v1/stacks',
    schema: requiring('name'),
    handle: async ({ store }, query) => {
      const name = given(query['name']);
      await store.stacks.make(name);
      return stackLine(store, { name });
    },
  },
  {
    method: 'DELETE',
    url: '/v1/stack',
    schema: requiring('name'),
    handle: async ({ store }, { name }) => removedLines(await store.stacks.remove(given(name))),
  },
  {
    method: 'POST',
    url: '/v1/stack/layers',
    schema: {
      querystring: {
        type: 'object',
        properties: { ...SOURCES.properties, name: { type: 'string' } },
        required: ['name'],
        oneOf: SOURCES.oneOf,
        additionalProperties: false,
      },
    },
    handle: ({ store }, query, call) => push(store, query, call),
  },
  {
    method: 'DELETE',
    url: '/v1/stack/top',
    schema: requiring('name'),
    handle: async ({ store }, { name }) => removedLines(await store.stacks.pop(given(name))),
  },
];

/** A digest may be that of a layer, which has to fit, or else that of a blob. */
async function* push(
  store: Store,
  query: Query,
  call: Call,
): AsyncGenerator<RegistrationLine | RegisteredLine> {
  const { stacks } = store;
  const name = given(query['name']);
  await stacks.load();
  const stack = stacks.require(name);
  const digest = one(query['digest']);
  const layer = digest === undefined ? undefined : await layerToPush(store, digest, stack);
  if (layer === undefined) {
    yield* register(store, query, call, (source, how) => stacks.push(name, source, how));
    return;
  }
  yield { layer: layerLine(store, await stacks.pushLayer(name, layer.chain)) };
}

/**
 * The layer that is meant; undefined where it is a blob.
 * @throws CasError as {@link findLayer}
 */
async function layerToPush(
  { layers, blobs }: Store,
  digest: string,
  { top }: Stack,
): Promise<Layer | undefined> {
  if (isDigest(digest) && algorithmOf(digest) !== 'sha256') return undefined;
  const isBlob = isDigest(digest) && blobs.stat(digest) !== undefined;
  try {
    const layer = await findLayer(layers, digest);
    return isBlob && top !== undefined && layer.parent !== top ? undefined : layer;
  } catch (error) {
    if (isBlob) return undefined;
    if (!isCasError(error, 'LAYER_NOT_FOUND')) throw error;
    throw new CasError('LAYER_NOT_FOUND', { subject: digest, found: 'no blob either', cause: error });
  }
}

async function* allStacks(store: Store): AsyncGenerator<StackLine> {
  const { stacks } = store;
  await stacks.load();
  const all = [...stacks.all()].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const stack of all) yield stackLine(store, stack);
}

function stackLine({ stacks }: Pick<Store, 'stacks'>, stack: Stack): StackLine {
  const layers = stacks.layersOf(stack);
  return { name: stack.name, top: stack.top ?? null, depth: layers.length, size: totalSize(layers) };
}
