import type { DirectoryContent } from './inode.js';
import type { LeafRecord } from './leaf-index.js';
import type { Leaf } from './leaf.js';
import type { NodeCache } from './node-cache.js';
import { withNodes } from './with-nodes.js';

/** The leaves of a directory in order; that of a small one counts from the empty name. @throws CasError LAYER_DAMAGED */
export async function leavesOf(cache: NodeCache, content: DirectoryContent): Promise<readonly LeafRecord[]> {
  const node = await withNodes(cache, (nodes) => nodes.directory(content));
  if (node.kind === 'leaf') return [{ first: '', node: content.node, sums: node.sums }];
  return Array.from({ length: node.count }, (_, index) => node.record(index));
}

/** @throws CasError LAYER_DAMAGED */
export function readLeaf(cache: NodeCache, { node, sums }: LeafRecord): Leaf | Promise<Leaf> {
  return withNodes(cache, (nodes) => nodes.leaf(node, sums));
}
