import { constants } from 'node:fs';

/**
 * A name as the kernel sends it: one character per byte (latin1), so that any bytes survive and names can be
 * map keys. {@link utf8Of} and {@link nameOf} convert.
 */
export type Name = string & { readonly [nameBrand]: 'Name' };
declare const nameBrand: unique symbol;

/** A value now, or a promise of it. Handlers that need not wait should not. */
export type Awaitable<T> = T | Promise<T>;

/** Nanoseconds since the epoch. */
export type Nanoseconds = bigint;

/** What stat(2) shows. `mode` includes the file type; `blocks` are of 512 bytes. */
export interface Attr {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atime: Nanoseconds;
  readonly mtime: Nanoseconds;
  readonly ctime: Nanoseconds;
}

/** The attributes that a setattr request wants changed. */
export interface AttrChanges {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: Nanoseconds | 'now';
  readonly mtime?: Nanoseconds | 'now';
}

/** Who asks. `signal` aborts when the caller was interrupted (FUSE_INTERRUPT). */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly umask: number;
  readonly signal: AbortSignal;
}

/** How long, in seconds, the kernel may answer from its caches. 0: always ask. */
export interface Validity {
  readonly entry: number;
  readonly attr: number;
}

/** What a write took. */
export interface Written {
  readonly size: number;
  /** Settles when the data passed to write is no longer read; the caller must keep it unchanged until then. */
  readonly held?: Promise<void>;
}

/** What flags an open file has, and what the kernel may do with it. */
export interface OpenMode {
  /** The page cache is bypassed: every read and write reaches the handle. */
  readonly direct?: boolean;
  /** The page cache of an earlier open stays valid. */
  readonly keepCache?: boolean;
  /** A descriptor that holds exactly this file's content and never changes: reads may go straight to it. */
  readonly backing?: number;
  /** Lets the kernel write and read the file without us: a descriptor that stands for it; undefined where it may not. */
  readonly lend?: () => number | undefined;
  /** close(2) sends no flush. */
  readonly noFlush?: boolean;
}

/** Nothing of the file is cached, so it needs no flush. */
export const UNCACHED: OpenMode = { direct: true, noFlush: true };

/** An open file. One that lacks a method answers ENOSYS or EBADF for it. */
export interface FileHandle {
  readonly mode: OpenMode;
  /** Fills `into` from `offset`; the number of bytes, 0 at the end. */
  read?(into: Uint8Array, offset: number): Awaitable<number>;
  write?(data: Uint8Array, offset: number): Awaitable<Written>;
  /** Called at each close(2) of a descriptor; an error is what close returns. */
  flush?(caller: Caller): Awaitable<void>;
  sync?(dataOnly: boolean): Awaitable<void>;
  allocate?(mode: number, offset: number, length: number): Awaitable<void>;
  /** SEEK_DATA and SEEK_HOLE. */
  seek?(offset: number, whence: number): Awaitable<number>;
  /** Called once, when the last descriptor is gone. */
  release(): Awaitable<void>;
}

/** A file that was made and is open. */
export interface Created {
  readonly node: Node;
  readonly handle: FileHandle;
}

/** One name in a directory. `type` is the S_IFMT part of the mode. */
export interface DirEntry {
  readonly name: Name;
  readonly ino: number;
  readonly type: number;
  /** What it leads to, where that is known already. */
  readonly node?: Node;
  /** It is counted, but not shown. */
  readonly hidden?: true;
}

/** Flags of open(2) in the host's numbering. */
export type OpenFlags = number;

/** RENAME_NOREPLACE of renameat2(2). */
export const RENAME_NOREPLACE = 1;

/**
 * A file, directory or link of the mounted tree. A node implements only what it supports; what is missing is
 * answered with the errno that POSIX names for it (EROFS for changes, ENODATA for xattrs, …).
 * Methods throw CasError, FsError or Node's system errors.
 */
export interface Node {
  /** The S_IFMT part of the mode. */
  readonly type: number;
  readonly validity: Validity;
  /** The number that the kernel knows it by, where that is the node's own and not given at a lookup. */
  readonly number?: number;
  /** It never changes: whatever would change it fails with EROFS. */
  readonly frozen?: boolean;
  attr(): Awaitable<Attr>;
  /** `handle` is the open file the change came through, as with ftruncate(2). */
  setattr?(changes: AttrChanges, caller: Caller, handle: FileHandle | undefined): Awaitable<void>;
  /** The kernel has forgotten the node: no number refers to it any more. */
  forgotten?(): void;

  lookup?(name: Name, caller: Caller): Awaitable<Node | undefined>;
  /** How long, in seconds, a name that is not there may be remembered as absent. Default 0. */
  readonly absence?: number;
  /** Names in batches, without `.` and `..`, in an order that is stable while nothing changes. */
  entries?(): AsyncIterable<readonly DirEntry[]> | Iterable<readonly DirEntry[]>;
  /** Some entries, from the one with that index on; none at the end. Instead of {@link entries}. */
  batch?(index: number): Awaitable<readonly DirEntry[]>;
  create?(name: Name, flags: OpenFlags, mode: number, caller: Caller): Awaitable<Created>;
  mkdir?(name: Name, mode: number, caller: Caller): Awaitable<Node>;
  unlink?(name: Name, caller: Caller): Awaitable<void>;
  rmdir?(name: Name, caller: Caller): Awaitable<void>;
  symlink?(name: Name, target: Name, caller: Caller): Awaitable<Node>;
  /** Links `node`, which stands elsewhere in this mount, as `name`. The node returned stands under the new name. */
  link?(node: Node, name: Name, caller: Caller): Awaitable<Node>;
  /** Called on the directory that loses the name. */
  rename?(name: Name, to: Node, toName: Name, flags: number, caller: Caller): Awaitable<void>;
  /** fsync(2) of a directory. */
  syncDir?(): Awaitable<void>;

  open?(flags: OpenFlags, caller: Caller): Awaitable<FileHandle>;
  readlink?(): Awaitable<Name>;
  /** Fills `into` with the content from `offset`, without a handle; the number of bytes, 0 at the end. */
  read?(into: Uint8Array, offset: number): Awaitable<number>;

  listxattr?(): Awaitable<readonly string[]>;
  getxattr?(name: string): Awaitable<Uint8Array | undefined>;
  setxattr?(name: string, value: Uint8Array, flags: number): Awaitable<void>;
  removexattr?(name: string): Awaitable<void>;
}

/** The text of a name, or undefined where its bytes are not valid UTF-8. */
export function utf8Of(name: Name): string | undefined {
  if (/^[\x20-\x7e]*$/.test(name)) return name;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(name, 'latin1'));
  } catch {
    return undefined;
  }
}

/** The name whose bytes are the UTF-8 of `text`. */
export function nameOf(text: string): Name {
  return Buffer.from(text, 'utf8').toString('latin1') as Name;
}

/** Whether open(2) flags ask to write. */
export function wantsWrite(flags: OpenFlags): boolean {
  return (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
}
