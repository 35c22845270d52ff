import type { ByteText } from '../tar/entry.js';
import { damaged } from './bytes.js';
import type { DirectoryContent, Entry } from './inode.js';
import type { Leaf } from './leaf.js';
import type { Nodes } from './with-nodes.js';

/** A name in a directory. */
export interface Position {
  readonly leaf: Leaf;
  /** Which one of the leaf it is. */
  readonly index: number;
  /** How many names of the directory come before it. */
  readonly ordinal: number;
  /** How many inode numbers of the directory come before that of the entry. */
  readonly start: number;
}

/** Undefined where the directory has no such name. @throws CasError LAYER_DAMAGED */
export function findName(nodes: Nodes, directory: DirectoryContent, name: ByteText): Position | undefined {
  const node = nodes.directory(directory);
  const position =
    node.kind === 'leaf'
      ? { ...whole(node), index: node.indexOf(name) }
      : inLeaf(nodes, node, node.leafOf(name), (leaf) => leaf.indexOf(name));
  return position.index < 0 ? undefined : settled(position);
}

/**
 * The name that has the inode number after `start` others of the directory, itself or below it.
 * @param start below the directory's total
 * @throws CasError LAYER_DAMAGED
 */
export function findStart(nodes: Nodes, directory: DirectoryContent, start: number): Position {
  const node = nodes.directory(directory);
  if (node.kind === 'leaf') return settled({ ...whole(node), index: node.covering(start) });
  const leaf = node.leafCovering(start);
  return settled(inLeaf(nodes, node, leaf, (found) => found.covering(start - node.start(leaf))));
}

/** The name after `ordinal` others; undefined where there are no more. @throws CasError LAYER_DAMAGED */
export function findOrdinal(
  nodes: Nodes,
  directory: DirectoryContent,
  ordinal: number,
): Position | undefined {
  const node = nodes.directory(directory);
  if (ordinal >= node.sums.entries) return undefined;
  if (node.kind === 'leaf') return settled({ ...whole(node), index: ordinal });
  const leaf = node.leafWithOrdinal(ordinal);
  return settled(inLeaf(nodes, node, leaf, () => ordinal - node.ordinal(leaf)));
}

/** @throws CasError LAYER_DAMAGED */
export function entryAt({ leaf, index }: Position): Entry {
  return leaf.entry(index);
}

interface Placed {
  readonly leaf: Leaf;
  /** Names and inode numbers of the directory before the leaf. */
  readonly ordinal: number;
  readonly start: number;
  readonly index: number;
}

function whole(leaf: Leaf): Omit<Placed, 'index'> {
  return { leaf, ordinal: 0, start: 0 };
}

function inLeaf(
  nodes: Nodes,
  index: Exclude<ReturnType<Nodes['directory']>, Leaf>,
  which: number,
  find: (leaf: Leaf) => number,
): Placed {
  const { node, sums } = index.record(which);
  const leaf = nodes.leaf(node, sums);
  return { leaf, ordinal: index.ordinal(which), start: index.start(which), index: find(leaf) };
}

function settled({ leaf, ordinal, start, index }: Placed): Position {
  if (index < 0 || index >= leaf.count) throw damaged('it does not have the entry that is said of it');
  return { leaf, index, ordinal: ordinal + index, start: start + leaf.start(index) };
}
