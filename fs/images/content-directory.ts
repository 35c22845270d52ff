import { constants } from 'node:fs';
import { directoryAttr, virtualInode } from '../attr.js';
import { bare, FsError } from '../errors.js';
import { type Attr, type Caller, type DirEntry, type Name, nameOf, type Node, utf8Of } from '../node.js';
import { Symlink } from '../symlink.js';
import type { Content, Contents, ImageNodes } from './image-nodes.js';

/** A directory within that of an image. What is in it is made anew for each request. */
export class ContentDirectory implements Node {
  readonly type = constants.S_IFDIR;
  readonly validity = { entry: 1, attr: 0 };
  readonly frozen = true;
  protected readonly nodes: ImageNodes;
  protected readonly path: string;
  readonly #contents: Contents;

  /** `path` is its path in the mount, without the first slash. */
  constructor(nodes: ImageNodes, path: string, contents: Contents) {
    this.nodes = nodes;
    this.path = path;
    this.#contents = contents;
  }

  /** What it is remembered by; the slash tells it from the directory of an image that is called so. */
  protected get key(): string {
    return `${this.path}/`;
  }

  /** @throws FsError ENOENT where it is gone */
  async attr(): Promise<Attr> {
    await this.#contents();
    return this.ownAttr();
  }

  async lookup(name: Name, { signal }: Caller): Promise<Node | undefined> {
    const text = utf8Of(name);
    return text === undefined ? undefined : this.child(await this.#contents(), text, signal);
  }

  async *entries(): AsyncIterable<readonly DirEntry[]> {
    yield this.listed(await this.#contents());
  }

  forgotten(): void {
    this.nodes.forget(this.key);
  }

  async listxattr(): Promise<readonly string[]> {
    return Object.keys(await this.#attributes());
  }

  async getxattr(name: string): Promise<Uint8Array | undefined> {
    const value = (await this.#attributes())[name];
    return value === undefined ? undefined : Buffer.from(value);
  }

  protected ownAttr(): Attr {
    const { owner, writtenAt } = this.nodes;
    return directoryAttr(virtualInode(`/${this.path}`), 0o555, owner, writtenAt);
  }

  protected async child(content: Content, name: string, signal: AbortSignal): Promise<Node | undefined> {
    const target = content.links.get(name);
    if (target !== undefined) {
      // What leads to a tree leads into the mount that is made for trees.
      if (name === ROOTFS) {
        await this.#checkRoot(content, signal);
        await this.nodes.onLook();
      }
      return this.#link(name, target);
    }
    const below = content.directories.get(name);
    if (below !== undefined)
      return this.nodes.directory(
        `${this.path}/${name}/`,
        () => new ContentDirectory(this.nodes, `${this.path}/${name}`, below),
      );
    if (name === ROOTFS && content.fault !== undefined)
      throw new FsError(content.fault.errno, content.fault.message);
    return undefined;
  }

  protected listed({ links, directories }: Content): DirEntry[] {
    return [
      ...[...links].map(([name, target]) => this.#listedLink(name, target)),
      ...[...directories.keys()].map((name) => this.listedDirectory(name)),
    ];
  }

  protected listedDirectory(name: string): DirEntry {
    return { name: nameOf(name), ino: virtualInode(`/${this.path}/${name}`), type: constants.S_IFDIR };
  }

  #listedLink(name: string, target: string): DirEntry {
    return { name: nameOf(name), ino: this.#link(name, target).attr().ino, type: constants.S_IFLNK };
  }

  #link(name: string, target: string): Symlink {
    const { owner, writtenAt } = this.nodes;
    return new Symlink(`/${this.path}/${name}`, owner, target, writtenAt);
  }

  async #checkRoot({ checkRoot }: Content, signal: AbortSignal): Promise<void> {
    try {
      await checkRoot?.(signal);
    } catch (error) {
      throw bare(error, signal);
    }
  }

  async #attributes(): Promise<Readonly<Record<string, string>>> {
    return (await (await this.#contents()).attributes?.()) ?? {};
  }
}

/** The link to the tree of an image. */
export const ROOTFS = 'rootfs';
