import type { Database, Operation } from '../metadata/database.js';
import type { NodeDigest } from '../tree/inode.js';
import type { Layer } from './layer.js';
import { nodeKey, shareKey } from './layer-rows.js';

const NOTHING = new Uint8Array();

/**
 * Which layers need which nodes, beyond what follows from their parents: two layers may make the same directory. The one
 * that brought a node needs no row; each other that would have brought it has one. All of it is done in one lane.
 */
export class NodeShares {
  readonly #database: Pick<Database, 'getMany' | 'iterate'>;

  constructor(database: Pick<Database, 'getMany' | 'iterate'>) {
    this.#database = database;
  }

  /** What is written so that a layer has these nodes. */
  async toEnter(
    layer: Pick<Layer, 'number'>,
    nodes: readonly (readonly [NodeDigest, Buffer])[],
  ): Promise<Operation[]> {
    const present = await this.#database.getMany(nodes.map(([digest]) => nodeKey(digest)));
    return nodes.flatMap(([digest, value], index): Operation[] => {
      const known = present[index]?.equals(value) === true;
      return known ? [{ key: shareKey(digest, layer), value: NOTHING }] : [{ key: nodeKey(digest), value }];
    });
  }

  /** What is written so that a layer no longer has these nodes. */
  async toRemove(layer: Pick<Layer, 'number'>, nodes: readonly NodeDigest[]): Promise<Operation[]> {
    const operations: Operation[] = [];
    for (const digest of nodes) operations.push(await this.#toRemove(layer, digest));
    return operations;
  }

  async #toRemove(layer: Pick<Layer, 'number'>, digest: NodeDigest): Promise<Operation> {
    const own = shareKey(digest, layer);
    let other: Buffer | undefined;
    for await (const rows of this.#database.iterate(shareKey(digest))) {
      if (rows.some(([key]) => key.equals(own))) return { key: own };
      other ??= rows[0]?.[0];
    }
    return { key: other ?? nodeKey(digest) };
  }
}
