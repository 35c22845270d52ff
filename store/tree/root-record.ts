import { ByteReader, type ByteWriter, damaged } from './bytes.js';
import { readDirectoryContent, readInode, writeDirectoryContent, writeEntry } from './entry-codec.js';
import type { DirectoryContent, Inode } from './inode.js';

export type DirectoryInode = Extract<Inode, { type: 'directory' }>;

/** A whole tree: its root directory, and its shared inodes by number. */
export class RootRecord {
  readonly kind = 'root';
  readonly root: DirectoryInode;
  /** A directory whose names are the numbers of the shared inodes, big-endian in 8 bytes. */
  readonly links: DirectoryContent;
  /** The number of the next inode to be shared. */
  readonly nextLink: number;

  constructor(root: DirectoryInode, links: DirectoryContent, nextLink: number) {
    this.root = root;
    this.links = links;
    this.nextLink = nextLink;
  }

  /** Bytes of memory that it takes, about. */
  readonly memory = 512;
}

/** Encoded: the table of shared inodes, the next number, the inode of the root directory. */
export function writeRoot(into: ByteWriter, { root, links, nextLink }: RootRecord): void {
  writeDirectoryContent(into, links);
  into.uint(nextLink);
  writeEntry(into, root);
}

/** @throws CasError LAYER_DAMAGED */
export function readRoot(bytes: Buffer, position: number): RootRecord {
  const from = new ByteReader(bytes, position);
  const [links, nextLink] = [readDirectoryContent(from), from.uint()];
  const root = readInode(from);
  if (root.type !== 'directory') throw damaged('the root is no directory');
  return new RootRecord(root, links, nextLink);
}
