import type { Payload } from '../payloads/location.js';
import type { ByteText, Extent, Time, Xattr } from '../tar/entry.js';

/** The SHA-256 of an encoded node, raw. */
export type NodeDigest = Buffer;

/** What every inode of a tree has. */
export interface Attributes {
  /** Permissions, at most 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  /** In the order of their names. */
  readonly xattrs: readonly Xattr[];
}

/** The bytes of a file. Undefined payload: nothing but holes. */
export interface FileContent {
  readonly size: number;
  readonly payload?: Payload;
  /** Where a sparse file has data; the payload is these ranges, one after the other. */
  readonly extents?: readonly Extent[];
}

/** The names in a directory, as the node that holds them and what can be known without reading it. */
export interface DirectoryContent {
  readonly node: NodeDigest;
  /** Names in it and below, at any depth. */
  readonly total: number;
  /** Directories directly in it. */
  readonly subdirectories: number;
  /** Names in it and below that lead to inodes with several names. */
  readonly shared: number;
}

export type Inode = Attributes &
  (
    | ({ readonly type: 'file' } & FileContent)
    | { readonly type: 'symlink'; readonly target: ByteText }
    | { readonly type: 'character' | 'block'; readonly major: number; readonly minor: number }
    | { readonly type: 'fifo' }
    | ({ readonly type: 'directory' } & DirectoryContent)
  );

/** What a name in a directory leads to: an inode of its own, or one that has several names, by its number. */
export type Entry = Inode | { readonly type: 'shared'; readonly link: number };

/** Where encoded nodes come from. */
export interface NodeSource {
  /** @throws CasError LAYER_DAMAGED where there is none */
  get(digest: NodeDigest): Promise<Buffer>;
}
