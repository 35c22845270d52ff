import { constants } from 'node:fs';
import type { Named } from '../../store/als/additional-layers.js';
import type { Digest } from '../../store/digest.js';
import { safeJson } from '../../store/json.js';
import { directoryAttr, nowNs, virtualInode } from '../attr.js';
import { bare, FsError } from '../errors.js';
import { type Attr, type Caller, type DirEntry, type Name, nameOf, type Node } from '../node.js';
import { VirtualFile } from '../virtual-file.js';
import type { AlsNodes } from './als-nodes.js';

const MADE = nowNs();
const USES = 'user.cas.uses';

/**
 * A layer of the additional layer store: `diff`, what it has itself, as a lower directory for overlayfs; `blob`, its
 * bytes; `info`, what containers/storage writes down of it.
 */
export class AlsLayer implements Node {
  readonly type = constants.S_IFDIR;
  /** What it leads to changes with the images. */
  readonly validity = { entry: 1, attr: 3600 };
  readonly chain: Digest;
  readonly #nodes: AlsNodes;
  readonly #named: Named;
  readonly #attr: Attr;
  readonly #info: Node;

  constructor(nodes: AlsNodes, named: Named, chain: Digest) {
    this.#nodes = nodes;
    this.#named = named;
    this.chain = chain;
    this.#attr = directoryAttr(virtualInode(this.#path), 0o755, nodes.owner, MADE);
    this.#info = new VirtualFile(
      `${this.#path}/info`,
      nodes.owner,
      async () => `${safeJson(await nodes.additional.info(named, chain))}\n`,
    );
  }

  attr(): Attr {
    return this.#attr;
  }

  async lookup(name: Name, { signal }: Caller): Promise<Node | undefined> {
    if (name === 'info') return this.#info;
    if (name === 'blob') return this.#nodes.blob(this.#named.blob);
    return name === 'diff' ? this.#diff(signal) : undefined;
  }

  entries(): readonly (readonly DirEntry[])[] {
    const entry = (name: string, type: number): DirEntry => ({
      name: nameOf(name),
      ino: virtualInode(`${this.#path}/${name}`),
      type,
    });
    return [
      [entry('diff', constants.S_IFDIR), entry('info', constants.S_IFREG), entry('blob', constants.S_IFREG)],
    ];
  }

  /** Who uses the layer says so by creating `use`, and expects that it fails so. @throws FsError ENOENT, EROFS */
  async create(name: Name): Promise<never> {
    if (name !== 'use') throw new FsError('EROFS');
    await this.#nodes.additional.use(this.#named, this.chain);
    throw new FsError('ENOENT', 'a use of the layer was counted');
  }

  listxattr(): readonly string[] {
    return [USES];
  }

  getxattr(name: string): Uint8Array | undefined {
    return name === USES ? Buffer.from(`${this.#nodes.additional.usesOf(this.#named.path)}`) : undefined;
  }

  forgotten(): void {
    this.#nodes.forget(`${this.#named.path} ${this.chain}`);
  }

  get #path(): string {
    return `/.cas/als/${this.#named.path}`;
  }

  async #diff(signal: AbortSignal): Promise<Node | undefined> {
    const { additional, views } = this.#nodes;
    try {
      const layer = await additional.layer(this.#named, this.chain, signal);
      return await views.ownRoot(layer, () => additional.tree(layer, signal));
    } catch (error) {
      throw bare(error, signal);
    }
  }
}
