import { CasError, isCasError } from '../errors.js';
import type { Database, Operation, Write } from '../metadata/database.js';
import type { Payloads } from '../payloads/payloads.js';
import { AssembledTar } from '../split/assembled-tar.js';
import { readSplitChunks } from '../split/split-file.js';
import { decodeIndex, encodeIndex, type SplitIndex } from '../split/split-index.js';
import { TreeBuilder } from '../tree/builder.js';
import type { BuiltTree } from '../tree/write-tree.js';
import type { NodeDigest } from '../tree/inode.js';
import { NodeCache } from '../tree/node-cache.js';
import { TreeReader } from '../tree/reader.js';
import type { Layer } from './layer.js';
import { Batches } from './batches.js';
import { chunkKey, chunkPrefix, grouped, nodeKey, ownOf, rootKey } from './layer-rows.js';
import { NodeRows } from './node-rows.js';
import { NodeShares } from './node-shares.js';

/** A split file that was just written. */
export interface WrittenSplit {
  readonly index: SplitIndex;
  /** Its chunks, unless they are too large to be kept in memory. */
  readonly chunks?: readonly Buffer[];
}

/** What a layer has in the index. */
export interface LayerRows extends Pick<BuiltTree, 'root' | 'nodes'> {
  /** The path of its split file. */
  readonly split: string;
  /** What was written to it, where that is still known. */
  readonly written?: WrittenSplit;
  /** What tells where the payloads lie that it brought. */
  readonly payloads: Iterable<Operation>;
}

/** Bytes of decoded nodes that are kept: those of some 100,000 names. */
const CACHE = 32 << 20;

/**
 * The trees and split tars of layers in LevelDB. All of it can be made again from the layers' directories, and is when
 * the database is found to be damaged; whoever asks meanwhile waits for that.
 */
export class LayerIndex {
  readonly #database: Database;
  readonly #payloads: Payloads;
  readonly #shares: NodeShares;
  readonly #rows: NodeRows;
  readonly #nodes = new NodeCache({ get: (digest) => this.#node(digest) }, CACHE);
  readonly #trees = new Map<number, Promise<TreeReader>>();
  readonly #ownTrees = new Map<number, Promise<TreeReader>>();
  readonly #tars = new Map<number, Promise<AssembledTar>>();
  /** Set while the rows are made again. */
  rebuilding: Promise<void> | undefined;

  constructor(database: Database, payloads: Payloads) {
    this.#database = database;
    this.#payloads = payloads;
    this.#shares = new NodeShares(database);
    this.#rows = new NodeRows(database);
  }

  /** Opens the database, or makes it, in the background. */
  start(): void {
    this.#database.open();
  }

  /** The merged tree of a layer and those below it. */
  tree(layer: Layer): Promise<TreeReader> {
    return remembered(this.#trees, layer.number, async () =>
      TreeReader.open(this.#nodes, await this.#row(rootKey(layer), layer.chain)),
    );
  }

  /** The tree of what a layer itself has; undefined where nobody has made it yet. */
  async ownTree(layer: Layer): Promise<TreeReader | undefined> {
    const known = this.#ownTrees.get(layer.number);
    if (known !== undefined) return known;
    const root = await this.#found(rootKey(ownOf(layer)));
    return root && remembered(this.#ownTrees, layer.number, () => TreeReader.open(this.#nodes, root));
  }

  /** Whether somebody has asked for the tree of what a layer itself has, and got it. */
  hasOwnTree(layer: Layer): boolean {
    return this.#ownTrees.has(layer.number);
  }

  /** Writes the tree of what a layer itself has. In the lane of changes, while the layer is there. */
  async enterOwnTree(layer: Layer, tree: BuiltTree, write: Write = this.#write): Promise<void> {
    await this.#enterTree(ownOf(layer), tree, write).catch((error: unknown) => {
      if (!isCasError(error, 'METADATA_DAMAGED')) throw error;
      return this.#enterTree(ownOf(layer), tree, write);
    });
  }

  /** Begins the tree of a layer on top of another. */
  async builder(parent: Layer | undefined): Promise<TreeBuilder> {
    return TreeBuilder.open(this.#nodes, parent && (await this.#row(rootKey(parent), parent.chain)));
  }

  /** A layer's own tar, put together again. */
  tar(layer: Layer): Promise<AssembledTar> {
    return remembered(this.#tars, layer.number, async () => {
      const index = decodeIndex(await this.#row(chunkKey(layer), layer.chain));
      const chunk = (number: number): Promise<Buffer> => this.#row(chunkKey(layer, number), layer.chain);
      return new AssembledTar(index, chunk, this.#payloads.reader);
    });
  }

  /** Writes what a layer has in the index; what is there of it is no matter. In the lane of changes. */
  async enter(layer: Pick<Layer, 'number'>, rows: LayerRows, write: Write = this.#write): Promise<void> {
    await this.#enter(layer, rows, write).catch((error: unknown) => {
      if (!isCasError(error, 'METADATA_DAMAGED')) throw error;
      return this.#enter(layer, rows, write);
    });
  }

  async #enter(layer: Pick<Layer, 'number'>, rows: LayerRows, write: Write): Promise<void> {
    const batches = new Batches(write);
    for (const row of rows.payloads) await batches.add(row);
    await this.#enterNodes(layer, rows.nodes, batches);
    const index = await this.#enterChunks(layer, rows, batches);
    await batches.add({ key: chunkKey(layer), value: encodeIndex(index) });
    await batches.add({ key: rootKey(layer), value: rows.root });
    await batches.end();
  }

  async #enterTree(
    of: Pick<Layer, 'number'>,
    { root, nodes }: Pick<BuiltTree, 'root' | 'nodes'>,
    write: Write,
  ): Promise<void> {
    const batches = new Batches(write);
    await this.#enterNodes(of, nodes, batches);
    await batches.add({ key: rootKey(of), value: root });
    await batches.end();
  }

  async #enterNodes(
    layer: Pick<Layer, 'number'>,
    nodes: BuiltTree['nodes'],
    batches: Batches,
  ): Promise<void> {
    let part = 0;
    for (const group of grouped(nodes))
      await batches.add(...(await this.#shares.toEnter(layer, part++, group)));
  }

  /**
   * Removes what a layer has in the index, all of it or what is left of it, and the nodes that only it needed. In the
   * lane of changes, when it is no longer one of the layers: a database that turns out to be damaged is made again
   * without it.
   */
  async remove(layer: Pick<Layer, 'number'>): Promise<void> {
    this.#trees.delete(layer.number);
    this.#ownTrees.delete(layer.number);
    this.#tars.delete(layer.number);
    await this.#write([{ key: rootKey(layer) }, { key: rootKey(ownOf(layer)) }]);
    for (const of of [ownOf(layer), layer])
      for await (const operations of this.#shares.toRemove(of)) await this.#write(operations);
    for await (const rows of this.#database.iterate(chunkPrefix(layer)))
      await this.#write(rows.map(([key]) => ({ key })));
  }

  /** Does operations on rows of payloads. */
  async apply(operations: Iterable<Operation>): Promise<void> {
    for (const group of grouped(operations)) await this.#write(group);
  }

  readonly #write: Write = (operations) => this.#database.batch(operations);

  async #enterChunks(
    layer: Pick<Layer, 'number'>,
    { split, written }: LayerRows,
    batches: Batches,
  ): Promise<SplitIndex> {
    if (written?.chunks !== undefined) {
      for (const [number, value] of written.chunks.entries())
        await batches.add({ key: chunkKey(layer, number), value });
      return written.index;
    }
    const chunks = readSplitChunks(split);
    for (let number = 0; ; number++) {
      const next = await chunks.next();
      if (next.done) return next.value;
      await batches.add({ key: chunkKey(layer, number), value: next.value.bytes });
    }
  }

  async #node(digest: NodeDigest): Promise<Buffer> {
    return (await this.#rows.get(digest)) ?? this.#row(nodeKey(digest), 'a directory');
  }

  /** A row that must be there. */
  async #row(key: Buffer, subject: string): Promise<Buffer> {
    for (let mended = false; ; mended = true) {
      const value = await this.#found(key);
      if (value !== undefined) return value;
      if (mended) throw new CasError('LAYER_DAMAGED', { subject, found: `no row ${key.toString('hex')}` });
      // What finds damage has the rows made again; so does an opening that finds them incomplete.
      await this.#database.whole();
      await this.rebuilding;
    }
  }

  /** A row as far as it can be read. */
  #found(key: Buffer): Promise<Buffer | undefined> {
    return this.#database.get(key).catch((error: unknown) => {
      if (isCasError(error, 'METADATA_DAMAGED')) return undefined;
      throw error;
    });
  }
}

/** What is made at the first call, unless that fails. */
function remembered<T>(made: Map<number, Promise<T>>, key: number, make: () => Promise<T>): Promise<T> {
  const known = made.get(key);
  if (known !== undefined) return known;
  const making = make().catch((error: unknown) => {
    made.delete(key);
    throw error;
  });
  made.set(key, making);
  return making;
}
