import type { Database, Operation, Write } from '../metadata/database.js';
import { CasError } from '../errors.js';
import { rowOf } from '../payloads/row.js';
import { readSplitFile } from '../split/split-file.js';
import { TreeBuilder } from '../tree/builder.js';
import { NodeCache } from '../tree/node-cache.js';
import { addEntries, buildOwnTree, entriesIn, surveyEntries } from './build-tree.js';
import type { Layer } from './layer.js';
import type { LayerIndex } from './layer-index.js';
import { nodeKey, rootKey } from './layer-rows.js';

const CACHE = 32 << 20;

/** What a rebuild works with. */
export interface Rebuild {
  readonly index: LayerIndex;
  readonly database: Database;
  readonly write: Write;
  readonly signal: AbortSignal;
  /** The path of a layer's split file. */
  readonly splitOf: (layer: Layer) => string;
  /** A layer cannot be rebuilt, nor can what is on top of it. */
  readonly failed: (layer: Layer, error: unknown) => void;
}

/** Writes the rows of layers again from their split files, the lowest first. */
export async function rebuildLayers(layers: readonly Layer[], rebuild: Rebuild): Promise<void> {
  const chains = new Map(layers.map((layer) => [layer.chain, layer]));
  const nodes = new NodeCache({ get: (digest) => required(rebuild.database, nodeKey(digest)) }, CACHE);
  for (const layer of [...layers].sort((a, b) => a.depth - b.depth)) {
    rebuild.signal.throwIfAborted();
    try {
      await rebuildLayer(layer, layer.parent && chains.get(layer.parent), nodes, rebuild);
    } catch (error) {
      rebuild.signal.throwIfAborted();
      rebuild.failed(layer, error);
    }
  }
}

async function rebuildLayer(
  layer: Layer,
  parent: Layer | undefined,
  nodes: NodeCache,
  { index, database, write, signal, splitOf }: Rebuild,
): Promise<void> {
  const split = splitOf(layer);
  const base = parent && (await required(database, rootKey(parent)));
  const builder = await TreeBuilder.open(nodes, base);
  if (base !== undefined) await surveyEntries(builder, readSplitFile(split));
  await addEntries(builder, entriesIn(readSplitFile(split)), signal);
  const tree = await builder.finish();
  let rows: Operation[] = [];
  for await (const { payload } of readSplitFile(split)) {
    if (payload !== undefined && payload.location.set === layer.set) rows.push(rowOf(payload));
    if (rows.length < 1000) continue;
    await write(rows);
    rows = [];
  }
  await index.enter(layer, { ...tree, split, payloads: rows }, write);
  // Any other is made when somebody asks for it.
  if (!index.hasOwnTree(layer)) return;
  const own = await buildOwnTree(await TreeBuilder.open(nodes, base), split, signal);
  await index.enterOwnTree(layer, own, write);
}

async function required(database: Database, key: Buffer): Promise<Buffer> {
  const value = await database.get(key);
  if (value === undefined) throw new CasError('LAYER_DAMAGED', { found: `no row ${key.toString('hex')}` });
  return value;
}
