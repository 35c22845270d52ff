import { ByteReader, type ByteWriter, damaged } from './bytes.js';
import { readInode, TAG } from './entry-codec.js';
import type { DirectoryContent, Inode } from './inode.js';
import { linkName } from './link-name.js';
import { findName } from './position.js';
import type { Nodes } from './with-nodes.js';

/** An inode with several names, as the table of them has it. */
export interface SharedInode {
  /** Its place in the table. */
  readonly ordinal: number;
  /** How many names lead to it. */
  readonly nlink: number;
  /** The encoded inode, a view. */
  readonly body: Buffer;
}

/** Undefined where the table has no such number. @throws CasError LAYER_DAMAGED */
export function findShared(nodes: Nodes, links: DirectoryContent, link: number): SharedInode | undefined {
  const position = findName(nodes, links, linkName(link));
  return position && { ordinal: position.ordinal, ...readShared(position.leaf.body(position.index)) };
}

/** Encoded: the tag of shared inodes, the number of its names, the inode. */
export function writeShared(into: ByteWriter, nlink: number, body: Buffer): void {
  into.byte(TAG.link);
  into.uint(nlink);
  into.raw(body);
}

/** @throws CasError LAYER_DAMAGED */
export function readShared(encoded: Buffer): Omit<SharedInode, 'ordinal'> {
  const from = new ByteReader(encoded);
  if (from.byte() !== TAG.link) throw damaged('a shared inode is none');
  const nlink = from.uint();
  return { nlink, body: encoded.subarray(from.position) };
}

/** @throws CasError LAYER_DAMAGED */
export function inodeOf({ body }: Pick<SharedInode, 'body'>): Inode {
  const inode = readInode(new ByteReader(body));
  if (inode.type === 'directory') throw damaged('a directory has several names');
  return inode;
}
