import { constants } from 'node:fs';
import { directoryAttr, nowNs, virtualInode } from './attr.js';
import { type Attr, type DirEntry, type Name, nameOf, type Node } from './node.js';

/** A directory whose names never change. */
export class FixedDirectory implements Node {
  readonly type = constants.S_IFDIR;
  readonly validity = { entry: 3600, attr: 3600 };
  readonly absence = 3600;
  readonly frozen: boolean = true;
  readonly #attr: Attr;
  readonly #children: ReadonlyMap<Name, Node>;

  constructor(
    path: string,
    permissions: number,
    owner: { uid: number; gid: number },
    children: Readonly<Record<string, Node>>,
  ) {
    this.#attr = directoryAttr(virtualInode(path), permissions, owner, nowNs());
    this.#children = new Map(Object.entries(children).map(([name, node]) => [nameOf(name), node]));
  }

  attr(): Attr {
    return this.#attr;
  }

  lookup(name: Name): Node | undefined {
    return this.#children.get(name);
  }

  async *entries(): AsyncIterable<readonly DirEntry[]> {
    for (const [name, node] of this.#children) {
      const { ino } = await node.attr();
      yield [{ name, ino, type: node.type }];
    }
  }
}
