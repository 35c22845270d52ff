import { CasError } from '../errors.js';
import type { ByteText, Xattr } from '../tar/entry.js';
import type { Handle } from './arena.js';
import { ByteReader } from './bytes.js';
import { DraftDirectory, REMOVED } from './draft-directory.js';
import { linkOf } from './draft-links.js';
import { DraftTree, IMPLIED } from './draft-tree.js';
import { readAttributes, readInode, TAG } from './entry-codec.js';
import type { Inode } from './inode.js';
import type { NodeCache } from './node-cache.js';
import { findName } from './position.js';
import { takingTurns } from './turns.js';
import { type Nodes, withNodes } from './with-nodes.js';

/** What overlayfs takes for a name that is hidden: a character device 0:0. */
const WHITEOUT: Inode = { type: 'character', ...IMPLIED, mode: 0, major: 0, minor: 0 };

/** The mark of a directory below which nothing is seen; Documentation/filesystems/overlayfs.rst. */
const OPAQUE: Xattr = ['trusted.overlay.opaque', Buffer.from('y')];

/** Names that are copied before other work has its turn. */
const TURN = 1024;

/** A directory of a tree that is being changed, and what it becomes. */
interface Copied {
  readonly from: DraftDirectory;
  readonly to: DraftDirectory;
}

/**
 * What differs from the tree below as overlayfs has it in a directory of its own, to be laid over the others. A directory
 * on the way to a change that the layer does not describe has the attributes that it has below: overlayfs shows those of
 * the topmost. A hard link to a name below becomes an inode of the layer, whose bytes are those below.
 * @throws CasError LAYER_INVALID where the root is opaque, which overlayfs does not know; LAYER_DAMAGED
 */
export async function ownTree(tree: DraftTree, cache: NodeCache): Promise<DraftTree> {
  if (tree.root.opaque)
    throw new CasError('LAYER_INVALID', { subject: '/', expected: 'a root that is not opaque' });
  const own = new OwnTree(tree, cache);
  const turn = takingTurns(TURN);
  const directories: Copied[] = [{ from: tree.root, to: own.root(tree.root) }];
  for (let copied = directories.pop(); copied; copied = directories.pop()) {
    for (const [name, change] of copied.from.changes ?? []) {
      await turn();
      if (typeof change !== 'number') directories.push(await own.directory(copied, name, change));
      else await own.entry(copied, name, change);
    }
    for (const name of copied.from.whiteouts ?? []) own.whiteout(copied, name);
  }
  return own.tree;
}

class OwnTree {
  readonly tree = new DraftTree(undefined, Infinity);
  readonly #from: DraftTree;
  readonly #cache: NodeCache;
  readonly #whiteout = this.tree.addEntry(WHITEOUT);
  /** The numbers of inodes with several names, by those that they have in the other tree. */
  readonly #links = new Map<number, number>();

  constructor(from: DraftTree, cache: NodeCache) {
    this.#from = from;
    this.#cache = cache;
  }

  root({ attributes }: DraftDirectory): DraftDirectory {
    this.tree.root.attributes = this.#copy(attributes);
    return this.tree.root;
  }

  async directory({ from, to }: Copied, name: ByteText, directory: DraftDirectory): Promise<Copied> {
    const opaque =
      directory.opaque ||
      (directory.base === undefined &&
        (from.whiteouts?.has(name) === true ||
          (await this.#reading((nodes) => hasDirectory(nodes, from, name)))));
    const attributes = opaque ? this.#marked(directory.attributes) : this.#copy(directory.attributes);
    const copy = new DraftDirectory(directory.pathLength, attributes);
    to.set(name, copy);
    return { from: directory, to: copy };
  }

  async entry({ from, to }: Copied, name: ByteText, change: Handle): Promise<void> {
    const entry = change === REMOVED ? undefined : this.#from.arena.get(change);
    const link = entry?.[0] === TAG.shared ? linkOf(entry) : undefined;
    const inode =
      link === undefined ? entry : await this.#reading((nodes) => this.#from.links.inode(nodes, link));
    if (inode === undefined || isWhiteout(inode)) this.whiteout({ from, to }, name, true);
    else to.set(name, link === undefined ? this.tree.arena.add(inode) : this.#share(link, inode));
  }

  /** A whiteout where nothing is below would be shown as what it is. */
  whiteout({ from, to }: Copied, name: ByteText, replacing = false): void {
    if (from.base !== undefined && (replacing || !from.changes?.has(name))) to.set(name, this.#whiteout);
  }

  #share(link: number, inode: Buffer): Handle {
    const { arena, links } = this.tree;
    const own = this.#links.get(link) ?? links.create(arena.add(inode));
    this.#links.set(link, own);
    links.count(own, 1);
    return this.tree.addEntry({ type: 'shared', link: own });
  }

  #copy(handle: Handle): Handle {
    return this.tree.arena.add(this.#from.arena.get(handle));
  }

  #marked(handle: Handle): Handle {
    const attributes = readAttributes(new ByteReader(this.#from.arena.get(handle)));
    // What begins so is taken from no tar; names are in order.
    const xattrs = [...attributes.xattrs, OPAQUE].sort(([a], [b]) => (a < b ? -1 : 1));
    return this.tree.addAttributes({ ...attributes, xattrs });
  }

  #reading<T>(work: (nodes: Nodes) => T): T | Promise<T> {
    return withNodes(this.#cache, work);
  }
}

/** Whether the tree below has a directory of that name, which is not seen any more. */
function hasDirectory(nodes: Nodes, { base }: DraftDirectory, name: ByteText): boolean {
  const position = base && findName(nodes, base, name);
  return position?.leaf.body(position.index)[0] === TAG.directory;
}

/** A layer can have such a device itself. Nothing is shown for it, and so nothing for what is below. */
function isWhiteout(entry: Buffer): boolean {
  if (entry[0] !== TAG.character) return false;
  const inode = readInode(new ByteReader(entry));
  return inode.type === 'character' && inode.major === 0 && inode.minor === 0;
}
