import type { Database, Operation } from '../metadata/database.js';
import type { NodeDigest } from '../tree/inode.js';
import type { Layer } from './layer.js';
import { broughtKey, nodeKey, shareKey } from './layer-rows.js';

const NOTHING = new Uint8Array();
const DIGEST = 32;

/**
 * Which layers need which nodes, beyond what follows from their parents: two layers may make the same directory. The one
 * that brought a node needs no row; each other that would have brought it has one. What a layer has brought is written
 * in parts, each in one batch with the nodes that it is of: a part that is there is there as a whole, and one that has
 * gone has gone as a whole, wherever a process ended. All of it is done in one lane.
 */
export class NodeShares {
  readonly #database: Pick<Database, 'getMany' | 'iterate'>;

  constructor(database: Pick<Database, 'getMany' | 'iterate'>) {
    this.#database = database;
  }

  /** What is written in one batch so that a layer has these nodes, its part of that number: nothing where it has. */
  async toEnter(
    layer: Pick<Layer, 'number'>,
    part: number,
    nodes: readonly (readonly [NodeDigest, Buffer])[],
  ): Promise<Operation[]> {
    const brought = { key: broughtKey(layer, part), value: Buffer.concat(nodes.map(([digest]) => digest)) };
    const keys = [brought.key, ...nodes.map(([digest]) => nodeKey(digest))];
    const [before, ...present] = await this.#database.getMany(keys);
    if (before?.equals(brought.value) === true) return [];
    const operations = nodes.map(([digest, value], index): Operation => {
      const known = present[index]?.equals(value) === true;
      return known ? { key: shareKey(digest, layer), value: NOTHING } : { key: nodeKey(digest), value };
    });
    return [...operations, brought];
  }

  /** What is written so that a layer no longer has any nodes: batches, each of which is to be written before the next. */
  async *toRemove(layer: Pick<Layer, 'number'>): AsyncGenerator<Operation[]> {
    for await (const parts of this.#database.iterate(broughtKey(layer))) {
      for (const [key, digests] of parts) {
        const operations: Operation[] = [];
        for (let at = 0; at < digests.length; at += DIGEST)
          operations.push(await this.#toRemove(layer, digests.subarray(at, at + DIGEST)));
        yield [...operations, { key }];
      }
    }
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
