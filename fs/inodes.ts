import type { Node } from './node.js';

/** The number by which the kernel knows a node while it remembers it. Never reused within a mount. */
export type NodeId = number;

/** FUSE_ROOT_ID. */
export const ROOT_ID: NodeId = 1;

/** Nodes that have numbers of their own, by which they are found again: nothing is kept of them here. */
export interface NumberedNodes {
  /** The node with that number; undefined where there is none, or none any more. */
  at(id: NodeId): Node | undefined;
}

interface Slot {
  readonly node: Node;
  lookups: number;
}

/**
 * The nodes the kernel remembers, each with its lookup count. A node has one number as long as the count is
 * above zero; at zero it is dropped, so the table is as large as what the kernel holds and no larger.
 */
export class Inodes {
  readonly #slots = new Map<NodeId, Slot>();
  readonly #ids = new Map<Node, NodeId>();
  readonly #numbered: NumberedNodes | undefined;
  #next = ROOT_ID + 1;

  constructor(root: Node, numbered?: NumberedNodes) {
    this.#numbered = numbered;
    this.#slots.set(ROOT_ID, { node: root, lookups: 1 });
    this.#ids.set(root, ROOT_ID);
  }

  /** How many nodes are remembered, the root included. */
  get size(): number {
    return this.#slots.size;
  }

  /** The node with that number; undefined for a number the kernel should have forgotten. */
  get(id: NodeId): Node | undefined {
    return this.#slots.get(id)?.node ?? this.#numbered?.at(id);
  }

  /** The number of a node that the kernel remembers. */
  idOf(node: Node): NodeId | undefined {
    return node.number ?? this.#ids.get(node);
  }

  /** Counts one lookup of `node`, numbering it if it is new. Every call is undone by a {@link forget}. */
  remember(node: Node): NodeId {
    if (node.number !== undefined) return node.number;
    const known = this.#ids.get(node);
    if (known !== undefined) {
      const slot = this.#slots.get(known);
      if (slot) slot.lookups++;
      return known;
    }
    const id = this.#next++;
    this.#slots.set(id, { node, lookups: 1 });
    this.#ids.set(node, id);
    return id;
  }

  /** Takes back `count` lookups. The root is never forgotten. */
  forget(id: NodeId, count: number): void {
    const slot = this.#slots.get(id);
    if (slot === undefined || id === ROOT_ID) return;
    slot.lookups -= count;
    if (slot.lookups > 0) return;
    this.#slots.delete(id);
    this.#ids.delete(slot.node);
    slot.node.forgotten?.();
  }
}
