import type { Named } from '../store/ingest/ingests.js';
import type { Ref } from '../store/ref.js';
import { IngestDirectory } from './ingest-directory.js';
import type { Caller, DirEntry, Name, Node } from './node.js';
import { FsError } from './errors.js';
import type { TreeContext } from './tree.js';

/** The root of the mount: the fixed directories, and whatever tools create beside them as ingests. */
export class RootDirectory extends IngestDirectory {
  readonly #children: ReadonlyMap<Name, Node>;

  constructor(context: TreeContext, children: ReadonlyMap<Name, Node>) {
    super(context, '/');
    this.#children = children;
  }

  override async lookup(name: Name): Promise<Node | undefined> {
    return this.#children.get(name) ?? (await super.lookup(name));
  }

  override async *entries(): AsyncIterable<readonly DirEntry[]> {
    for (const [name, node] of this.#children) {
      const { ino } = await node.attr();
      yield [{ name, ino, type: node.type }];
    }
    for await (const batch of super.entries()) yield batch.filter(({ name }) => !this.#children.has(name));
  }

  override mkdir(name: Name, mode: number, caller: Caller): Promise<Node> {
    if (this.#children.has(name)) throw new FsError('EEXIST');
    return super.mkdir(name, mode, caller);
  }

  override rmdir(name: Name): Promise<void> {
    if (this.#children.has(name)) throw new FsError('EBUSY');
    return super.rmdir(name);
  }

  protected override receive(named: Named, from: Ref, name: Name, noReplace: boolean): Promise<void> {
    if (this.#children.has(name)) throw new FsError('EBUSY');
    return super.receive(named, from, name, noReplace);
  }

  override rename(name: Name, to: Node, toName: Name, flags: number, caller: Caller): Promise<void> {
    if (this.#children.has(name)) throw new FsError('EBUSY');
    return super.rename(name, to, toName, flags, caller);
  }
}
