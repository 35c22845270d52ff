import type { NodeDigest } from '../tree/inode.js';
import type { Layer } from './layer.js';

/*
 * The rows of layers, by the first byte of their keys:
 *
 *   B <number of a layer> <part>    the digests of nodes that it brought, or would have brought
 *   N <digest of a node>            an encoded directory node, shared by all trees that have it
 *   P <digest of a payload>         where it lies
 *   Q <digest of a node> <number of a layer>
 *                                   that layer needs the node, too: one that needs it and has no such row brought it
 *   R <number of a layer>           the digest of its tree's root
 *   T <number of a layer> <chunk>   a chunk of its tar, but for payloads; chunk 0xffffffff is their index
 *
 * Numbers are big-endian, of 4 bytes. The tree of what a layer itself has (see {@link ownOf}) has rows B, N, Q and R as
 * that of another layer.
 */

/** The form of the rows; a change of it has all of them made anew. */
export const LAYER_ROWS = 'layers 2';

const INDEX = 0xffff_ffff;
const OWN = 0x8000_0000;

/** What the tree of what a layer itself has is entered under: a number that no layer has. */
export function ownOf({ number }: Pick<Layer, 'number'>): Pick<Layer, 'number'> {
  return { number: OWN + number };
}

export function nodeKey(digest: NodeDigest): Buffer {
  return Buffer.concat([Buffer.from('N'), digest]);
}

/** The key that says that a layer needs a node that another brought; without a layer, what all of them begin with. */
export function shareKey(digest: NodeDigest, layer?: Pick<Layer, 'number'>): Buffer {
  const key = Buffer.concat([Buffer.from('Q'), digest, Buffer.alloc(layer === undefined ? 0 : 4)]);
  if (layer !== undefined) key.writeUInt32BE(layer.number, 1 + digest.length);
  return key;
}

/** The key of a part of the digests that a layer brought; without a part, what all of them begin with. */
export function broughtKey({ number }: Pick<Layer, 'number'>, part?: number): Buffer {
  return numbered('B', number, ...(part === undefined ? [] : [part]));
}

export function rootKey({ number }: Pick<Layer, 'number'>): Buffer {
  return numbered('R', number);
}

/** The key of a chunk; without a chunk, that of their index. */
export function chunkKey({ number }: Pick<Layer, 'number'>, chunk = INDEX): Buffer {
  return numbered('T', number, chunk);
}

/** What the keys of all chunks of a layer, and of their index, begin with. */
export function chunkPrefix({ number }: Pick<Layer, 'number'>): Buffer {
  return numbered('T', number);
}

/** Rows in groups of a size that keeps the database free for others in between. */
export function* grouped<T>(rows: Iterable<T>, size = 1000): Generator<T[]> {
  let group: T[] = [];
  for (const row of rows) {
    group.push(row);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function numbered(space: string, ...numbers: readonly number[]): Buffer {
  const key = Buffer.alloc(1 + 4 * numbers.length, space);
  numbers.forEach((number, index) => key.writeUInt32BE(number, 1 + 4 * index));
  return key;
}
