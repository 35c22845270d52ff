import { constants } from 'node:fs';
import { isExposed } from './exposed.js';
import type { Found, Listed } from '../../store/tree/reader.js';
import { FsError } from '../errors.js';
import {
  type Attr,
  type Awaitable,
  type DirEntry,
  type FileHandle,
  type Name,
  type Node,
  type OpenFlags,
  wantsWrite,
} from '../node.js';
import type { View } from './view.js';
import { openViewFile, readViewFile } from './view-file.js';
import { viewAttr, viewType } from './view-attr.js';
import { viewNumber } from './view-number.js';

/** What never changes may be remembered as long as there is room: the kernel's caches are its own to empty. */
const FOREVER = 2 ** 31;

/** How many names of a directory are given at a time. */
const BATCH = 256;

/**
 * An inode of a view. It is made anew for each request from the number that the kernel gives; the tree remembers what it
 * has decoded.
 */
export class ViewNode implements Node {
  readonly validity = { entry: FOREVER, attr: FOREVER };
  readonly absence = FOREVER;
  readonly frozen = true;
  readonly type: number;
  readonly number: number;
  readonly #view: View;
  readonly #position: number;
  #inode: Found | undefined;

  /** `inode` is what stands there, where that is known already. */
  constructor(view: View, position: number, directory: boolean, inode?: Found) {
    this.#view = view;
    this.#position = position;
    this.#inode = inode;
    this.number = viewNumber({ layer: view.layer.number, position, directory, own: view.own });
    this.type = directory
      ? constants.S_IFDIR
      : inode === undefined
        ? constants.S_IFREG
        : viewType(inode.inode);
  }

  attr(): Awaitable<Attr> {
    const inode = this.#find();
    return inode instanceof Promise
      ? inode.then((found) => viewAttr(found, this.number))
      : viewAttr(inode, this.number);
  }

  lookup(name: Name): Awaitable<Node | undefined> {
    const found = this.#view.tree.lookup(this.#position, name);
    return found instanceof Promise ? found.then((inode) => this.#child(inode)) : this.#child(found);
  }

  batch(index: number): Awaitable<readonly DirEntry[]> {
    const listed = this.#view.tree.list(this.#position, index, BATCH);
    const entries = (some: readonly Listed[]): DirEntry[] => some.map((one) => this.#entry(one));
    return listed instanceof Promise ? listed.then(entries) : entries(listed);
  }

  async open(flags: OpenFlags): Promise<FileHandle> {
    if (wantsWrite(flags) || (flags & constants.O_TRUNC) !== 0) throw new FsError('EROFS');
    const { inode } = await this.#find();
    if (inode.type !== 'file') throw new FsError('ENXIO');
    return openViewFile(this.#view, inode);
  }

  /** Fills `into` from `offset`, without a handle. */
  read(into: Uint8Array, offset: number): Awaitable<number> {
    const found = this.#find();
    const read = ({ inode }: Found): Awaitable<number> => {
      if (inode.type !== 'file') throw new FsError('EINVAL');
      return readViewFile(this.#view, inode, into, offset);
    };
    return found instanceof Promise ? found.then(read) : read(found);
  }

  readlink(): Awaitable<Name> {
    const found = this.#find();
    const target = ({ inode }: Found): Name => {
      if (inode.type !== 'symlink') throw new FsError('EINVAL');
      return inode.target as Name;
    };
    return found instanceof Promise ? found.then(target) : target(found);
  }

  async listxattr(): Promise<readonly string[]> {
    const { inode } = await this.#find();
    return inode.xattrs.map(([name]) => name);
  }

  async getxattr(name: string): Promise<Uint8Array | undefined> {
    const { inode } = await this.#find();
    return inode.xattrs.find(([one]) => one === name)?.[1];
  }

  #entry(listed: Listed): DirEntry {
    const node = new ViewNode(this.#view, listed.number, listed.inode.type === 'directory', listed);
    const entry = { name: listed.name as Name, ino: node.number, type: node.type, node };
    return isExposed(this.#view, listed.inode) ? entry : { ...entry, hidden: true };
  }

  #find(): Awaitable<Found> {
    if (this.#inode !== undefined) return this.#inode;
    const found = this.#view.tree.inode(this.#position);
    return found instanceof Promise ? found.then((inode) => this.#keep(inode)) : this.#keep(found);
  }

  #keep(found: Found | undefined): Found {
    if (found === undefined) throw new FsError('ESTALE');
    return (this.#inode = found);
  }

  #child(found: Found | undefined): Node | undefined {
    if (found === undefined || !isExposed(this.#view, found.inode)) return undefined;
    return new ViewNode(this.#view, found.number, found.inode.type === 'directory', found);
  }
}
