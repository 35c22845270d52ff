import { type ByteWriter, damaged } from './bytes.js';
import { Leaf } from './leaf.js';
import { LeafIndex } from './leaf-index.js';
import { readRoot, type RootRecord } from './root-record.js';

export type Node = Leaf | LeafIndex | RootRecord;

/** The first byte of every node; the second is its kind. */
const VERSION = 1;
const KIND = { leaf: 1, index: 2, root: 3 } as const;

/** Begins a node; what follows is its kind's own. */
export function writeHeader(into: ByteWriter, kind: Node['kind']): void {
  into.byte(VERSION);
  into.byte(KIND[kind]);
}

/** @throws CasError LAYER_DAMAGED */
export function readNode(bytes: Buffer): Node {
  if (bytes[0] !== VERSION) throw damaged('it is of an unknown version');
  switch (bytes[1]) {
    case KIND.leaf:
      return new Leaf(bytes, 2);
    case KIND.index:
      return new LeafIndex(bytes, 2);
    case KIND.root:
      return readRoot(bytes, 2);
    default:
      throw damaged('it is of an unknown kind');
  }
}
