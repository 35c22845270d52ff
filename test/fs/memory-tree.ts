import { constants } from 'node:fs';
import { FsError } from '../../fs/errors.js';
import type { StatFs } from '../../fs/answers.js';
import type {
  Attr,
  AttrChanges,
  Awaitable,
  Caller,
  DirEntry,
  FileHandle,
  Name,
  Node,
  OpenFlags,
  OpenMode,
  Validity,
  Written,
} from '../../fs/node.js';

const PAGE = 4096;
let nextIno = 1;

/** What all nodes of the tree have: attributes and extended attributes, kept in memory. */
export abstract class MemoryNode implements Node {
  readonly type: number;
  validity: Validity = { entry: 0, attr: 0 };
  readonly ino = nextIno++;
  nlink = 1;
  protected permissions: number;
  #uid: number;
  #gid: number;
  #times: { atime: bigint; mtime: bigint; ctime: bigint };
  readonly #xattrs = new Map<string, Uint8Array>();

  constructor(type: number, permissions: number, caller?: Caller) {
    this.type = type;
    this.permissions = permissions;
    this.#uid = caller?.uid ?? process.getuid?.() ?? 0;
    this.#gid = caller?.gid ?? process.getgid?.() ?? 0;
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#times = { atime: now, mtime: now, ctime: now };
  }

  abstract get size(): number;

  attr(): Awaitable<Attr> {
    return {
      ino: this.ino,
      mode: this.type | this.permissions,
      nlink: this.nlink,
      uid: this.#uid,
      gid: this.#gid,
      rdev: 0,
      size: this.size,
      blksize: PAGE,
      blocks: Math.ceil(this.size / 512),
      ...this.#times,
    };
  }

  setattr(changes: AttrChanges): void {
    const now = BigInt(Date.now()) * 1_000_000n;
    const { mode, uid, gid, size, atime, mtime } = changes;
    if (size !== undefined) this.resize(size);
    this.permissions = mode ?? this.permissions;
    this.#uid = uid ?? this.#uid;
    this.#gid = gid ?? this.#gid;
    this.#times = {
      atime: atime === 'now' ? now : (atime ?? this.#times.atime),
      mtime: mtime === 'now' || size !== undefined ? now : (mtime ?? this.#times.mtime),
      ctime: now,
    };
  }

  touch(): void {
    this.setattr({ mtime: 'now' });
  }

  listxattr(): string[] {
    return [...this.#xattrs.keys()];
  }

  getxattr(name: string): Uint8Array | undefined {
    return this.#xattrs.get(name);
  }

  setxattr(name: string, value: Uint8Array): void {
    this.#xattrs.set(name, value);
  }

  removexattr(name: string): void {
    if (!this.#xattrs.delete(name)) throw new FsError('ENODATA');
  }

  protected resize(size: number): void {
    throw new FsError('EISDIR', `cannot be ${size} bytes long`);
  }
}

/** A regular file whose content is one buffer. */
export class MemoryFile extends MemoryNode {
  content: Buffer;
  mode: OpenMode = {};

  constructor(content: string | Buffer = '', permissions = 0o644, caller?: Caller) {
    super(constants.S_IFREG, permissions, caller);
    this.content = Buffer.from(content);
  }

  get size(): number {
    return this.content.length;
  }

  open(flags: OpenFlags): Awaitable<FileHandle> {
    if ((flags & constants.O_TRUNC) !== 0) this.resize(0);
    return {
      mode: this.mode,
      read: (into, offset) => this.read(into, offset),
      write: (data, offset) => this.write(data, offset),
      allocate: (_, offset, length) => this.resize(Math.max(this.size, offset + length)),
      release: () => undefined,
    };
  }

  read(into: Uint8Array, offset: number): Awaitable<number> {
    const part = this.content.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }

  protected write(data: Uint8Array, offset: number): Awaitable<Written> {
    if (offset + data.length > this.size) this.resize(offset + data.length);
    this.content.set(data, offset);
    this.touch();
    return { size: data.length };
  }

  protected override resize(size: number): void {
    const longer = Buffer.alloc(size);
    this.content.copy(longer);
    this.content = longer;
  }
}

/** A symbolic link. */
export class MemoryLink extends MemoryNode {
  readonly #target: Name;

  constructor(target: Name, caller?: Caller) {
    super(constants.S_IFLNK, 0o777, caller);
    this.#target = target;
  }

  get size(): number {
    return this.#target.length;
  }

  readlink(): Name {
    return this.#target;
  }
}

/** A directory. Names that were never given are absent. */
export class MemoryDirectory extends MemoryNode {
  readonly children = new Map<Name, MemoryNode>();
  absence = 0;

  constructor(children: Readonly<Record<string, MemoryNode>> = {}, permissions = 0o755, caller?: Caller) {
    super(constants.S_IFDIR, permissions, caller);
    this.nlink = 2;
    for (const [name, node] of Object.entries(children)) this.children.set(name as Name, node);
  }

  get size(): number {
    return this.children.size;
  }

  lookup(name: Name): Awaitable<MemoryNode | undefined> {
    return this.children.get(name);
  }

  *entries(): Iterable<readonly DirEntry[]> {
    const names = [...this.children];
    for (let taken = 0; taken < names.length; taken += 100) {
      yield names.slice(taken, taken + 100).map(([name, node]) => ({ name, ino: node.ino, type: node.type }));
    }
  }

  async create(
    name: Name,
    flags: OpenFlags,
    mode: number,
    caller: Caller,
  ): Promise<{ node: Node; handle: FileHandle }> {
    const present = this.children.get(name);
    if (present && (flags & constants.O_EXCL) !== 0) throw new FsError('EEXIST');
    const node = present instanceof MemoryFile ? present : this.#add(name, new MemoryFile('', mode, caller));
    return { node, handle: await node.open(flags) };
  }

  mkdir(name: Name, mode: number, caller: Caller): Node {
    return this.#add(name, new MemoryDirectory({}, mode, caller));
  }

  symlink(name: Name, target: Name, caller: Caller): Node {
    return this.#add(name, new MemoryLink(target, caller));
  }

  link(node: Node, name: Name): Node {
    if (!(node instanceof MemoryNode)) throw new FsError('EXDEV');
    node.nlink++;
    return this.#add(name, node);
  }

  unlink(name: Name): void {
    const node = this.#child(name);
    if (node instanceof MemoryDirectory) throw new FsError('EISDIR');
    this.children.delete(name);
    node.nlink--;
  }

  rmdir(name: Name): void {
    const node = this.#child(name);
    if (!(node instanceof MemoryDirectory)) throw new FsError('ENOTDIR');
    if (node.size > 0) throw new FsError('ENOTEMPTY');
    this.children.delete(name);
  }

  /** Knows RENAME_NOREPLACE (1) and RENAME_EXCHANGE (2). */
  rename(name: Name, to: Node, toName: Name, flags: number): void {
    const node = this.#child(name);
    if (!(to instanceof MemoryDirectory)) throw new FsError('EXDEV');
    const replaced = to.children.get(toName);
    if (flags === 1 && replaced) throw new FsError('EEXIST');
    if (flags > 2) throw new FsError('EINVAL');
    if (flags === 2) this.children.set(name, to.#child(toName));
    else this.children.delete(name);
    to.children.set(toName, node);
  }

  #child(name: Name): MemoryNode {
    const node = this.children.get(name);
    if (node === undefined) throw new FsError('ENOENT');
    return node;
  }

  #add<T extends MemoryNode>(name: Name, node: T): T {
    if (this.children.has(name)) throw new FsError('EEXIST');
    this.children.set(name, node);
    return node;
  }
}

/** The figures of a small disk, for a mount of such a tree. */
export function memoryStatFs(): StatFs {
  return { bsize: PAGE, blocks: 1000, bfree: 600, bavail: 500, files: 100, ffree: 90 };
}
