import { constants } from 'node:fs';
import type { Entry, Notifier, Opened, StatFs } from './answers.js';
import { type Accept, DirectoryStream } from './directory-stream.js';
import { FsError } from './errors.js';
import { type HandleId, Handles } from './handles.js';
import { Inodes, type NodeId, type NumberedNodes } from './inodes.js';
import { checkLength } from './names.js';
import type {
  Attr,
  AttrChanges,
  Awaitable,
  Caller,
  FileHandle,
  Name,
  Node,
  OpenFlags,
  Written,
} from './node.js';

/**
 * The mounted filesystem as numbered operations: what a transport calls for each request. Every method throws
 * what {@link errnoOf} understands, and returns without a promise where it need not wait.
 */
export class FileSystem {
  readonly inodes: Inodes;
  readonly files = new Handles<FileHandle>();
  readonly directories = new Handles<DirectoryStream>();
  readonly #statfs: () => Awaitable<StatFs>;
  #notifier: Notifier | undefined;

  /** `statfs` tells of the disk below; `numbered` has the nodes that have numbers of their own. */
  constructor(root: Node, statfs: () => Awaitable<StatFs>, numbered?: NumberedNodes) {
    this.inodes = new Inodes(root, numbered);
    this.#statfs = statfs;
  }

  /** Where cache invalidations go; set by the transport once it is mounted. */
  notifyThrough(notifier: Notifier | undefined): void {
    this.#notifier = notifier;
  }

  /** Drops what the kernel remembers of `name` in `parent`. */
  forgetName(parent: Node, name: Name): void {
    const id = this.inodes.idOf(parent);
    if (id !== undefined) this.#notifier?.invalidateEntry(id, name);
  }

  /** Drops the kernel's cached attributes and content of `node`. */
  forgetContent(node: Node): void {
    const id = this.inodes.idOf(node);
    if (id !== undefined) this.#notifier?.invalidateNode(id);
  }

  /** @throws FsError ENOENT; its `validity` says for how long the absence may be remembered */
  async lookup(parent: NodeId, name: Name, caller: Caller): Promise<Entry> {
    const directory = this.directory(parent);
    checkLength(name);
    const node = await directory.lookup?.(name, caller);
    if (node === undefined) throw ABSENT;
    return this.entry(node);
  }

  /** How long the absence of a name in `parent` may be remembered, in seconds. */
  absence(parent: NodeId): number {
    return this.inodes.get(parent)?.absence ?? 0;
  }

  forget(id: NodeId, count: number): void {
    this.inodes.forget(id, count);
  }

  /** Counts a lookup of `node` and describes it. */
  entry(node: Node): Awaitable<Entry> {
    const attr = node.attr();
    const entry = (attr: Attr): Entry => ({
      id: this.inodes.remember(node),
      node,
      attr,
      validity: node.validity,
    });
    return attr instanceof Promise ? attr.then(entry) : entry(attr);
  }

  getattr(id: NodeId): Awaitable<Attr> {
    return this.node(id).attr();
  }

  /** `file` is the open file the change came through, as with ftruncate(2). */
  async setattr(id: NodeId, changes: AttrChanges, caller: Caller, file?: HandleId): Promise<Attr> {
    const node = this.node(id);
    if (node.setattr === undefined) throw new FsError('EROFS');
    await node.setattr(changes, caller, file === undefined ? undefined : this.files.get(file));
    return node.attr();
  }

  readlink(id: NodeId): Awaitable<Name> {
    const node = this.node(id);
    if (node.readlink === undefined) throw new FsError('EINVAL');
    return node.readlink();
  }

  async mkdir(parent: NodeId, name: Name, mode: number, caller: Caller): Promise<Entry> {
    const directory = this.#changeable(parent, name);
    if (directory.mkdir === undefined) throw new FsError('EROFS');
    return this.entry(await directory.mkdir(name, mode, caller));
  }

  unlink(parent: NodeId, name: Name, caller: Caller): Awaitable<void> {
    const directory = this.#changeable(parent, name);
    if (directory.unlink === undefined) throw new FsError('EROFS');
    return directory.unlink(name, caller);
  }

  rmdir(parent: NodeId, name: Name, caller: Caller): Awaitable<void> {
    const directory = this.#changeable(parent, name);
    if (directory.rmdir === undefined) throw new FsError('EROFS');
    return directory.rmdir(name, caller);
  }

  async symlink(parent: NodeId, name: Name, target: Name, caller: Caller): Promise<Entry> {
    const directory = this.#changeable(parent, name);
    if (directory.symlink === undefined) throw new FsError('EPERM', 'no symbolic links here');
    return this.entry(await directory.symlink(name, target, caller));
  }

  async link(id: NodeId, parent: NodeId, name: Name, caller: Caller): Promise<Entry> {
    const directory = this.#changeable(parent, name);
    if (directory.link === undefined) throw new FsError('EPERM', 'no hard links here');
    return this.entry(await directory.link(this.node(id), name, caller));
  }

  rename(
    parent: NodeId,
    name: Name,
    toParent: NodeId,
    toName: Name,
    flags: number,
    caller: Caller,
  ): Awaitable<void> {
    const directory = this.#changeable(parent, name);
    const target = this.#changeable(toParent, toName);
    if (directory.rename === undefined) throw new FsError('EROFS');
    return directory.rename(name, target, toName, flags, caller);
  }

  async open(id: NodeId, flags: OpenFlags, caller: Caller): Promise<Opened> {
    const node = this.node(id);
    if (node.open === undefined) throw new FsError(node.type === constants.S_IFDIR ? 'EISDIR' : 'ENXIO');
    const handle = await node.open(flags, caller);
    return { handle: this.files.add(handle), mode: handle.mode };
  }

  async create(
    parent: NodeId,
    name: Name,
    flags: OpenFlags,
    mode: number,
    caller: Caller,
  ): Promise<{ entry: Entry; opened: Opened }> {
    const directory = this.#changeable(parent, name);
    if (directory.create === undefined) throw new FsError('EROFS');
    const { node, handle } = await directory.create(name, flags, mode, caller);
    try {
      const entry = await this.entry(node);
      return { entry, opened: { handle: this.files.add(handle), mode: handle.mode } };
    } catch (error) {
      await handle.release();
      throw error;
    }
  }

  /** What mknod(2) of anything but a regular file is: device nodes, pipes and sockets are no content. @throws always */
  refuseNode(parent: NodeId, name: Name): never {
    this.#changeable(parent, name);
    throw new FsError('EPERM');
  }

  /** Fills `into`; the number of bytes read. */
  read(file: HandleId, into: Uint8Array, offset: number): Awaitable<number> {
    const handle = this.files.get(file);
    if (handle.read === undefined) throw new FsError('EBADF', 'not open for reading');
    return handle.read(into, offset);
  }

  write(file: HandleId, data: Uint8Array, offset: number): Awaitable<Written> {
    const handle = this.files.get(file);
    if (handle.write === undefined) throw new FsError('EBADF', 'not open for writing');
    return handle.write(data, offset);
  }

  flush(file: HandleId, caller: Caller): Awaitable<void> {
    return this.files.get(file).flush?.(caller);
  }

  fsync(file: HandleId, dataOnly: boolean): Awaitable<void> {
    return this.files.get(file).sync?.(dataOnly);
  }

  allocate(file: HandleId, mode: number, offset: number, length: number): Awaitable<void> {
    const handle = this.files.get(file);
    if (handle.allocate === undefined) throw new FsError('EOPNOTSUPP');
    return handle.allocate(mode, offset, length);
  }

  seek(file: HandleId, offset: number, whence: number): Awaitable<number> {
    const handle = this.files.get(file);
    if (handle.seek === undefined) throw new FsError('ENOSYS');
    return handle.seek(offset, whence);
  }

  release(file: HandleId): Awaitable<void> {
    return this.files.take(file)?.release();
  }

  opendir(id: NodeId): HandleId {
    return this.directories.add(new DirectoryStream(this.directory(id)));
  }

  /** Offers entries from `offset` on to `accept` until it declines or the directory ends. */
  async readdir(directory: HandleId, offset: number, accept: Accept): Promise<void> {
    const stream = this.directories.get(directory);
    await stream.read(offset, (await stream.node.attr()).ino, accept);
  }

  async releasedir(directory: HandleId): Promise<void> {
    await this.directories.take(directory)?.close();
  }

  fsyncdir(directory: HandleId): Awaitable<void> {
    return this.directories.get(directory).node.syncDir?.();
  }

  statfs(): Awaitable<StatFs> {
    return this.#statfs();
  }

  listxattr(id: NodeId): Awaitable<readonly string[]> {
    return this.node(id).listxattr?.() ?? [];
  }

  async getxattr(id: NodeId, name: string): Promise<Uint8Array> {
    const value = await this.node(id).getxattr?.(name);
    if (value === undefined) throw new FsError(UNSUPPORTED.test(name) ? 'EOPNOTSUPP' : 'ENODATA');
    return value;
  }

  setxattr(id: NodeId, name: string, value: Uint8Array, flags: number): Awaitable<void> {
    const node = this.#unfrozen(id);
    if (node.setxattr === undefined) throw new FsError('EOPNOTSUPP');
    return node.setxattr(name, value, flags);
  }

  removexattr(id: NodeId, name: string): Awaitable<void> {
    const node = this.#unfrozen(id);
    if (node.removexattr === undefined) throw new FsError('EOPNOTSUPP');
    return node.removexattr(name);
  }

  /** Releases every open handle, whatever becomes of the others: the mount is gone and nobody else will. */
  async close(): Promise<void> {
    const files = [...this.files].map(async (handle) => handle.release());
    const directories = [...this.directories].map((stream) => stream.close());
    await Promise.allSettled([...files, ...directories]);
  }

  /** @throws FsError ESTALE for a number that was forgotten */
  node(id: NodeId): Node {
    const node = this.inodes.get(id);
    if (node === undefined) throw new FsError('ESTALE');
    return node;
  }

  /** @throws FsError ESTALE, ENOTDIR */
  directory(id: NodeId): Node {
    const node = this.node(id);
    if (node.type !== constants.S_IFDIR) throw new FsError('ENOTDIR');
    return node;
  }

  #changeable(parent: NodeId, name: Name): Node {
    checkLength(name);
    this.#unfrozen(parent);
    return this.directory(parent);
  }

  #unfrozen(id: NodeId): Node {
    const node = this.node(id);
    if (node.frozen === true) throw new FsError('EROFS');
    return node;
  }
}

/** Made once: every new name is looked up before it is created, and an error with a stack costs 6 µs. */
const ABSENT = new FsError('ENOENT');

/**
 * ACLs and SELinux labels. `ls -l` asks for both with each name unless it is told once that there are none here:
 * 2,000 names took 100 ms with ENODATA, 20 ms so.
 */
const UNSUPPORTED = /^(system\.|security\.selinux$)/;
