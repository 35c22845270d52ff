import { constants } from 'node:fs';
import { isDigest } from '../../store/digest.js';
import type { Named } from '../../store/als/additional-layers.js';
import { directoryAttr, nowNs, virtualInode } from '../attr.js';
import { FsError } from '../errors.js';
import { type Attr, type Caller, type DirEntry, type Name, nameOf, type Node } from '../node.js';
import { AlsLayer } from './als-layer.js';
import type { AlsNodes } from './als-nodes.js';

/** Part of a reference in base64, which a slash takes apart. */
const PART = /^[A-Za-z0-9+=]+$/;

/** When all of them were made, as far as stat(2) tells. */
const MADE = nowNs();

/**
 * `.cas/als/`: an additional layer store of containers/storage. In it, and below each reference in base64 in it, the
 * layers of images are found by the digests of their blobs; only those without a reference are listed.
 */
export class AlsDirectory implements Node {
  readonly type = constants.S_IFDIR;
  readonly validity = { entry: 3600, attr: 3600 };
  readonly #nodes: AlsNodes;
  readonly #parts: readonly string[];
  readonly #attr: Attr;

  constructor(nodes: AlsNodes, parts: readonly string[] = []) {
    this.#nodes = nodes;
    this.#parts = parts;
    this.#attr = directoryAttr(virtualInode(`/.cas/als/${parts.join('/')}`), 0o755, nodes.owner, MADE);
  }

  attr(): Attr {
    return this.#attr;
  }

  async lookup(name: Name, { signal }: Caller): Promise<Node | undefined> {
    const named = this.#named(name);
    const path = [...this.#parts, name].join('/');
    if (named === undefined)
      return PART.test(name)
        ? this.#nodes.known(path, () => new AlsDirectory(this.#nodes, [...this.#parts, name]))
        : undefined;
    const chain = await this.#nodes.additional.find(named, signal);
    if (chain === undefined) return undefined;
    return this.#nodes.known(`${path} ${chain}`, () => new AlsLayer(this.#nodes, named, chain));
  }

  async *entries(): AsyncIterable<readonly DirEntry[]> {
    if (this.#parts.length > 0) return;
    for (const blob of await this.#nodes.additional.blobs())
      yield [{ name: nameOf(blob), ino: virtualInode(`/.cas/als/${blob}`), type: constants.S_IFDIR }];
  }

  /** Who no longer uses a layer says so with rmdir(2), and expects that it fails so. @throws FsError ENOENT */
  async rmdir(name: Name): Promise<never> {
    const named = this.#named(name);
    if (named === undefined) throw new FsError('EBUSY');
    await this.#nodes.additional.release(named.path);
    throw new FsError('ENOENT', 'a use of the layer ended');
  }

  forgotten(): void {
    this.#nodes.forget(this.#parts.join('/'));
  }

  #named(name: Name): Named | undefined {
    if (!isDigest(name)) return undefined;
    const path = [...this.#parts, name].join('/');
    if (this.#parts.length === 0) return { path, blob: name };
    return { path, blob: name, ref: Buffer.from(this.#parts.join('/'), 'base64').toString() };
  }
}
