/** A path relative to the root of the tree; bytes where it is no valid UTF-8. */
export type Path = string | Buffer;

/** What stat(2) tells, as far as the contract looks at it. */
export interface PathStat {
  readonly ino: number;
  /** File type and permissions. */
  readonly mode: number;
  readonly nlink: number;
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since the epoch. */
  readonly mtime: bigint;
  readonly ctime: bigint;
}

/** An open file. */
export interface OpenFile {
  read(length: number, offset: number): Promise<Buffer>;
  /** Writes all of `data`. */
  write(data: Uint8Array, offset: number): Promise<void>;
  /** Writes `data` at the end. */
  append(data: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  chmod(mode: number): Promise<void>;
  stat(): Promise<PathStat>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The system calls on a tree that the contract is about; errors carry their errno. */
export interface PathOperations {
  /** `flags` of open(2). */
  open(path: Path, flags: number, mode?: number): Promise<OpenFile>;
  stat(path: Path): Promise<PathStat>;
  readdir(path: Path): Promise<string[]>;
  mkdir(path: Path): Promise<void>;
  rmdir(path: Path): Promise<void>;
  unlink(path: Path): Promise<void>;
  /** `flags` of renameat2(2). */
  rename(path: Path, to: Path, flags?: number): Promise<void>;
  link(path: Path, to: Path): Promise<void>;
  symlink(target: string, path: Path): Promise<void>;
  truncate(path: Path, size: number): Promise<void>;
  chmod(path: Path, mode: number): Promise<void>;
  chown(path: Path, uid: number, gid: number): Promise<void>;
  /** Sets atime and mtime, in nanoseconds since the epoch. */
  utimes(path: Path, atime: bigint, mtime: bigint): Promise<void>;
  listxattr(path: Path): Promise<string[]>;
  getxattr(path: Path, name: string): Promise<string>;
  setxattr(path: Path, name: string, value: string): Promise<void>;
  removexattr(path: Path, name: string): Promise<void>;
  /** Bytes free on the disk, as statfs(2) tells. */
  freeBytes(): Promise<number>;
  /** Ends whatever serves the tree and starts it again. */
  restart(): Promise<void>;
}
