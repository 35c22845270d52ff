import { IngestDirectory, type Move } from './ingest-directory.js';
import type { LayoutEntry } from './layout/layout-entry.js';
import type { Caller, Created, DirEntry, Name, Node, OpenFlags } from './node.js';
import { FsError } from './errors.js';
import type { TreeContext } from './tree.js';

/**
 * The root of the mount: the fixed directories, the two files of an OCI image layout, and whatever tools create beside
 * them as ingests.
 */
export class RootDirectory extends IngestDirectory {
  readonly #children: ReadonlyMap<Name, Node>;
  readonly #layout: ReadonlyMap<Name, LayoutEntry>;

  constructor(
    context: TreeContext,
    children: ReadonlyMap<Name, Node>,
    layout: ReadonlyMap<Name, LayoutEntry>,
  ) {
    super(context, '/');
    this.#children = children;
    this.#layout = layout;
  }

  override async lookup(name: Name): Promise<Node | undefined> {
    return this.#children.get(name) ?? (await this.#layout.get(name)?.node()) ?? (await super.lookup(name));
  }

  override async *entries(): AsyncIterable<readonly DirEntry[]> {
    const nodes = [...this.#layout].map(async ([name, entry]) => [name, await entry.node()] as const);
    for (const [name, node] of [...this.#children, ...(await Promise.all(nodes))]) {
      const { ino } = await node.attr();
      yield [{ name, ino, type: node.type }];
    }
    for await (const batch of super.entries()) yield batch.filter(({ name }) => !this.#isOwn(name));
  }

  override async create(name: Name, flags: OpenFlags, mode: number, caller: Caller): Promise<Created> {
    const entry = this.#layout.get(name);
    return entry === undefined ? super.create(name, flags, mode, caller) : entry.create(flags, caller);
  }

  override mkdir(name: Name, mode: number, caller: Caller): Promise<Node> {
    if (this.#isOwn(name)) throw new FsError('EEXIST');
    return super.mkdir(name, mode, caller);
  }

  override unlink(name: Name): Promise<void> {
    if (this.#isOwn(name)) throw new FsError('EBUSY');
    return super.unlink(name);
  }

  override rmdir(name: Name): Promise<void> {
    if (this.#isOwn(name)) throw new FsError('EBUSY');
    return super.rmdir(name);
  }

  override rename(name: Name, to: Node, toName: Name, flags: number, caller: Caller): Promise<void> {
    if (this.#isOwn(name)) throw new FsError('EBUSY');
    return super.rename(name, to, toName, flags, caller);
  }

  protected override async receive(move: Move, name: Name): Promise<void> {
    if (this.#children.has(name)) throw new FsError('EBUSY');
    const entry = this.#layout.get(name);
    if (entry === undefined) return super.receive(move, name);
    if (move.noReplace) throw new FsError('EEXIST');
    await entry.receive(move.named, move.caller);
  }

  #isOwn(name: Name): boolean {
    return this.#children.has(name) || this.#layout.has(name);
  }
}
