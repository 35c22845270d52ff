import { hash } from 'node:crypto';
import { ByteWriter } from './bytes.js';
import type { NodeDigest } from './inode.js';
import { type Node, writeHeader } from './node.js';

/** A digest and the bytes that it is of. */
export type NewNode = readonly [digest: NodeDigest, bytes: Buffer];

/** Takes encoded nodes, each once. */
export class NodeSink {
  static readonly #SLAB = 1 << 20;
  readonly nodes: NewNode[] = [];
  readonly #known = new Set<string>();
  readonly #writer = new ByteWriter();
  /** Nodes are cut from slabs: most are too small for a buffer of their own. */
  #slab = Buffer.alloc(0);

  /** Says that a node is in the store already. */
  know(digest: NodeDigest): void {
    this.#known.add(digest.toString('latin1'));
  }

  /** Encodes a node and says its digest. */
  put(kind: Node['kind'], write: (into: ByteWriter) => void): NodeDigest {
    this.#writer.clear();
    writeHeader(this.#writer, kind);
    write(this.#writer);
    const bytes = this.#writer.view();
    const digest = hash('sha256', bytes, 'buffer');
    const key = digest.toString('latin1');
    if (this.#known.has(key)) return digest;
    this.#known.add(key);
    const kept = this.#keep(digest);
    this.nodes.push([kept, this.#keep(bytes)]);
    return kept;
  }

  #keep(bytes: Buffer): Buffer {
    if (this.#slab.length < bytes.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(bytes.length, NodeSink.#SLAB));
    }
    const kept = this.#slab.subarray(0, bytes.length);
    this.#slab = this.#slab.subarray(bytes.length);
    bytes.copy(kept);
    return kept;
  }
}
