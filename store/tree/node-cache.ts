import { hash } from 'node:crypto';
import { CasError } from '../errors.js';
import type { NodeDigest, NodeSource } from './inode.js';
import { type Node, readNode } from './node.js';
import { Recent } from './recent.js';

/** Memory of a node's objects, on top of its bytes and tables. */
const OVERHEAD = 400;

/** Decoded nodes of all trees; those used lately are kept, as many as fit into `capacity` bytes. */
export class NodeCache {
  readonly #source: NodeSource;
  readonly #nodes: Recent<string, Node>;
  readonly #pending = new Map<string, Promise<Node>>();

  constructor(source: NodeSource, capacity: number) {
    this.#source = source;
    this.#nodes = new Recent(capacity, (node) => node.memory + OVERHEAD);
  }

  /** Bytes of memory that its nodes take. */
  get size(): number {
    return this.#nodes.weight;
  }

  /** The node where it is in memory. */
  peek(digest: NodeDigest): Node | undefined {
    return this.#nodes.get(digest.toString('latin1'));
  }

  /** Reads, checks and keeps a node. @throws CasError LAYER_DAMAGED where it is not there or not what its digest says */
  load(digest: NodeDigest): Promise<Node> {
    const key = digest.toString('latin1');
    let pending = this.#pending.get(key);
    if (!pending) {
      pending = this.#read(key).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  /** Begins to read a node that is likely to be asked for. */
  prefetch(digest: NodeDigest): void {
    if (this.peek(digest) === undefined) this.load(digest).catch(() => undefined);
  }

  async #read(key: string): Promise<Node> {
    const digest = Buffer.from(key, 'latin1');
    const bytes = await this.#source.get(digest);
    const found = hash('sha256', bytes, 'hex');
    const expected = digest.toString('hex');
    if (found !== expected) throw new CasError('LAYER_DAMAGED', { subject: 'tree node', expected, found });
    const node = readNode(bytes);
    this.#nodes.add(key, node);
    return node;
  }
}
