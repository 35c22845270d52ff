import { constants } from 'node:fs';
import { type Digest, digestOf, hexOf, isAlgorithm } from '../../store/digest.js';
import type { Ingest } from '../../store/ingest/ingest.js';
import type { Layer } from '../../store/layers/layer.js';
import { pushBlob, pushIngest } from '../../store/stacks/push.js';
import { directoryAttr, nowNs, virtualInode } from '../attr.js';
import { FsError } from '../errors.js';
import { type Attr, type Caller, type DirEntry, type Name, nameOf, type Node, utf8Of } from '../node.js';
import { Symlink } from '../symlink.js';
import type { TreeContext } from '../tree.js';

const ROOTFS = 'rootfs';

/**
 * `stacks/<name>/`: its layers as links, `1` the lowest, and `rootfs`, the tree of all of them. An ingest that is moved
 * into it becomes its next layer, whatever name it is given; so does a blob or a layer that is linked into it. Removing
 * the link of the top takes the top off.
 */
export class StackDirectory implements Node {
  readonly type = constants.S_IFDIR;
  readonly validity = { entry: 1, attr: 0 };
  readonly #context: TreeContext;
  readonly #ino: number;
  #name: string;
  #changed = nowNs();

  constructor(context: TreeContext, name: string) {
    this.#context = context;
    this.#name = name;
    this.#ino = virtualInode(`/stacks/${name}`);
  }

  attr(): Attr {
    const { owner, umask } = this.#context;
    return directoryAttr(this.#ino, 0o755 & ~umask, owner, this.#changed);
  }

  async lookup(name: Name): Promise<Node | undefined> {
    const link = this.#links().get(name);
    if (link !== undefined) await this.#context.views.onLook();
    return link;
  }

  /** The top comes first and `rootfs` last: so `rm -rf` takes off one layer after the other, and then all is gone. */
  *entries(): Iterable<readonly DirEntry[]> {
    const links = [...this.#links()];
    const rootfs = links.pop();
    const listed = rootfs === undefined ? [] : [...links.reverse(), rootfs];
    yield listed.map(([name, link]) => ({
      name: nameOf(name),
      ino: link.attr().ino,
      type: constants.S_IFLNK,
    }));
  }

  /** Takes the bytes of an ingest as the next layer. */
  async receive(ingest: Ingest, caller: Caller): Promise<void> {
    await pushIngest(this.#context.store, this.#name, ingest, { signal: caller.signal });
    this.#changed = nowNs();
  }

  async symlink(name: Name, target: Name, caller: Caller): Promise<Node> {
    const { store, owner } = this.#context;
    const { room, digest } = parseTarget(target);
    const layer =
      room === 'blobs'
        ? await pushBlob(store, this.#name, digest, { signal: caller.signal })
        : await store.stacks.pushLayer(this.#name, digest);
    this.#changed = nowNs();
    return new Symlink(`/stacks/${this.#name}/${name}`, owner, pathOf(layer));
  }

  async unlink(name: Name): Promise<void> {
    const links = this.#links();
    if (!links.has(name)) throw new FsError('ENOENT');
    const top = `${links.size - 1}`;
    if (name !== top) throw new FsError('EBUSY', `only the top can be taken off: ${top}`);
    await this.#context.store.stacks.pop(this.#name);
    this.#changed = nowNs();
  }

  /** Follows its stack to another name. */
  renamed(name: string): void {
    this.#name = name;
  }

  #links(): ReadonlyMap<string, Symlink> {
    const { store, owner } = this.#context;
    const stack = store.stacks.get(this.#name);
    if (stack === undefined) throw new FsError('ENOENT');
    const path = `/stacks/${this.#name}`;
    const layers = store.stacks.layersOf(stack);
    const links = layers.map((layer, index) => [`${index + 1}`, pathOf(layer)] as const);
    const top = layers.at(-1);
    const all = top === undefined ? links : [...links, [ROOTFS, pathOf(top)] as const];
    return new Map(all.map(([name, target]) => [name, new Symlink(`${path}/${name}`, owner, target)]));
  }
}

function pathOf({ chain }: Layer): string {
  return `../../layers/sha256/${hexOf(chain)}`;
}

/** What a link that somebody makes in a stack leads to: `…/blobs/<algorithm>/<hex>` or `…/layers/sha256/<hex>`. */
function parseTarget(target: Name): { room: 'blobs' | 'layers'; digest: Digest } {
  const [room, algorithm = '', hex = ''] = (utf8Of(target) ?? '').split('/').slice(-3);
  if ((room !== 'blobs' && room !== 'layers') || !isAlgorithm(algorithm))
    throw new FsError('EPERM', 'only a link to a blob or a layer can be a layer');
  return { room, digest: digestOf(algorithm, hex) };
}
