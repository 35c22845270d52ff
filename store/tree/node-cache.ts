import { hash } from 'node:crypto';
import { CasError } from '../errors.js';
import type { NodeDigest, NodeSource } from './inode.js';
import { type Node, readNode } from './node.js';

/** Memory of a node's objects, on top of its bytes and tables. */
const OVERHEAD = 400;

/** Decoded nodes of all trees, the last used ones kept as long as they fit into `capacity` bytes. */
export class NodeCache {
  readonly #source: NodeSource;
  readonly #capacity: number;
  readonly #nodes = new Map<string, Node>();
  readonly #pending = new Map<string, Promise<Node>>();
  #size = 0;

  constructor(source: NodeSource, capacity: number) {
    this.#source = source;
    this.#capacity = capacity;
  }

  /** Bytes of memory that its nodes take. */
  get size(): number {
    return this.#size;
  }

  /** The node where it is in memory. */
  peek(digest: NodeDigest): Node | undefined {
    const key = digest.toString('latin1');
    const node = this.#nodes.get(key);
    if (node) {
      this.#nodes.delete(key);
      this.#nodes.set(key, node);
    }
    return node;
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

  async #read(key: string): Promise<Node> {
    const digest = Buffer.from(key, 'latin1');
    const bytes = await this.#source.get(digest);
    const found = hash('sha256', bytes, 'hex');
    const expected = digest.toString('hex');
    if (found !== expected) throw new CasError('LAYER_DAMAGED', { subject: 'tree node', expected, found });
    const node = readNode(bytes);
    this.#keep(key, node);
    return node;
  }

  #keep(key: string, node: Node): void {
    if (this.#nodes.has(key)) return;
    this.#nodes.set(key, node);
    this.#size += node.memory + OVERHEAD;
    for (const [oldest, old] of this.#nodes) {
      if (this.#size <= this.#capacity) break;
      this.#nodes.delete(oldest);
      this.#size -= old.memory + OVERHEAD;
    }
  }
}
