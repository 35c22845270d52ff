import { CasError } from '../errors.js';
import type { ByteText } from '../tar/entry.js';
import { damaged } from './bytes.js';
import type { DirectoryContent, Entry, Inode, NodeDigest } from './inode.js';
import type { NodeCache } from './node-cache.js';
import { findName, findOrdinal, findStart, type Position } from './position.js';
import { Recent } from './recent.js';
import type { RootRecord } from './root-record.js';
import { findShared, inodeOf, readShared } from './shared-inode.js';
import { type Nodes, withNodes } from './with-nodes.js';

/** An inode of a tree. */
export interface Found {
  /** Unique in the tree, and for one tree always the same; the root directory has 0. */
  readonly number: number;
  readonly inode: Inode;
  readonly nlink: number;
}

/** A name in a directory, and its inode. */
export interface Listed extends Found {
  readonly name: ByteText;
}

/** A directory and its number. */
interface Directory {
  readonly number: number;
  readonly content: DirectoryContent;
}

/** Of how many directories in one the nodes are read ahead when it is listed: most walks go into all of them. */
const AHEAD = 64;

/** How many directories are remembered by their numbers. */
const DIRECTORIES = 4096;

/**
 * A merged tree. Every method answers at once where the nodes that it needs are in memory.
 *
 * Inode numbers are positions. Entry i of the directory with number d has the number d + 1 + Σ (1 + total) over the
 * entries before it, `total` being what is below a directory. Shared inodes come after all of these, in the order of
 * their table. A number is found from the root by binary search over the sums, so no table of inodes is needed.
 */
export class TreeReader {
  readonly #cache: NodeCache;
  readonly #record: RootRecord;
  /** Directories by number. */
  readonly #directories = new Recent<number, Directory>(DIRECTORIES, () => 1);
  /** Where the last number was found: the next one is often in the same directory. */
  #last: Directory;

  private constructor(cache: NodeCache, record: RootRecord) {
    this.#cache = cache;
    this.#record = record;
    this.#last = this.#root;
  }

  /** @throws CasError LAYER_DAMAGED */
  static async open(cache: NodeCache, root: NodeDigest): Promise<TreeReader> {
    return new TreeReader(cache, await loadRoot(cache, root));
  }

  /** How many inode numbers there are: all are below this. Some of the highest may be those of shared inodes. */
  get numbers(): number {
    return 1 + this.#record.root.total + this.#record.links.total;
  }

  /**
   * A name in a directory, which is no path. Undefined where there is none.
   * @throws CasError DIRECTORY_NOT_FOUND (ENOTDIR) where the number is not that of a directory, LAYER_DAMAGED
   */
  lookup(directory: number, name: ByteText): Found | undefined | Promise<Found | undefined> {
    return withNodes(this.#cache, (nodes) => this.#lookup(nodes, directory, name));
  }

  /** Undefined where the tree has no such number. @throws CasError LAYER_DAMAGED */
  inode(number: number): Found | undefined | Promise<Found | undefined> {
    return withNodes(this.#cache, (nodes) => this.#find(nodes, number));
  }

  /**
   * At most `limit` names of a directory in bytewise order, after the first `from` ones. Empty at the end.
   * @throws CasError DIRECTORY_NOT_FOUND (ENOTDIR) where the number is not that of a directory, LAYER_DAMAGED
   */
  list(directory: number, from: number, limit = 256): Listed[] | Promise<Listed[]> {
    return withNodes(this.#cache, (nodes) => {
      const parent = this.#directory(nodes, directory);
      const listed: Listed[] = [];
      while (listed.length < limit) {
        const first = findOrdinal(nodes, parent.content, from + listed.length);
        if (!first) break;
        const { leaf, index, start } = first;
        const end = Math.min(leaf.count, index + limit - listed.length);
        for (let i = index; i < end; i++) {
          const position = { ...first, index: i, start: start + leaf.start(i) - leaf.start(index) };
          listed.push({ name: leaf.name(i), ...this.#at(nodes, parent, position) });
        }
      }
      if (parent.content.subdirectories <= AHEAD)
        for (const { inode } of listed) if (inode.type === 'directory') this.#cache.prefetch(inode.node);
      return listed;
    });
  }

  /**
   * What a path leads to, from the root; empty components and `.` are passed over, symlinks are not followed.
   * Undefined where there is nothing. @throws CasError LAYER_DAMAGED
   */
  resolve(path: ByteText): Found | undefined | Promise<Found | undefined> {
    const names = path.split('/').filter((name) => name !== '' && name !== '.');
    return withNodes(this.#cache, (nodes) => {
      let found: Found | undefined = this.#find(nodes, 0);
      for (const name of names) {
        if (found?.inode.type !== 'directory') return undefined;
        found = this.#lookup(nodes, found.number, name);
      }
      return found;
    });
  }

  get #root(): Directory {
    return { number: 0, content: this.#record.root };
  }

  #lookup(nodes: Nodes, directory: number, name: ByteText): Found | undefined {
    const parent = this.#directory(nodes, directory);
    const position = findName(nodes, parent.content, name);
    return position && this.#at(nodes, parent, position);
  }

  #directory(nodes: Nodes, number: number): Directory {
    const known = this.#directories.get(number);
    if (known) return known;
    const found = this.#find(nodes, number);
    if (found?.inode.type !== 'directory') {
      throw new CasError('DIRECTORY_NOT_FOUND', { subject: `inode ${number}`, errno: 'ENOTDIR' });
    }
    return this.#remember({ number, content: found.inode });
  }

  #remember(directory: Directory): Directory {
    const { node, total, subdirectories, shared } = directory.content;
    const kept = { number: directory.number, content: { node, total, subdirectories, shared } };
    this.#directories.add(directory.number, kept);
    return kept;
  }

  #find(nodes: Nodes, number: number): Found | undefined {
    const { root, links } = this.#record;
    if (number === 0) return found(0, root);
    if (number < 0 || number >= this.numbers) return undefined;
    if (number > root.total) {
      const position = findOrdinal(nodes, links, number - root.total - 1);
      if (!position) throw damaged('the table of shared inodes is short');
      const shared = readShared(position.leaf.body(position.index));
      return { number, inode: inodeOf(shared), nlink: shared.nlink };
    }
    const last = this.#last;
    let directory = last.number < number && number <= last.number + last.content.total ? last : this.#root;
    for (;;) {
      const start = number - directory.number - 1;
      const position = findStart(nodes, directory.content, start);
      const entry = position.leaf.entry(position.index);
      if (position.start === start) {
        this.#last = directory;
        // The place of a name whose inode has its number elsewhere.
        return entry.type === 'shared' ? undefined : found(number, entry);
      }
      if (entry.type !== 'directory') throw damaged('a name that is no directory has names below it');
      directory = { number: directory.number + 1 + position.start, content: entry };
    }
  }

  #at(nodes: Nodes, parent: Directory, { leaf, index, start }: Position): Found {
    return this.#found(nodes, parent.number + 1 + start, leaf.entry(index));
  }

  #found(nodes: Nodes, number: number, entry: Entry): Found {
    if (entry.type !== 'shared') return found(number, entry);
    const { root, links } = this.#record;
    const shared = findShared(nodes, links, entry.link);
    if (!shared) throw damaged('a name leads to no inode');
    return { number: root.total + 1 + shared.ordinal, inode: inodeOf(shared), nlink: shared.nlink };
  }
}

/** The number of links of a directory is that of its subdirectories, its own name and its `.`. */
function found(number: number, inode: Inode): Found {
  return { number, inode, nlink: inode.type === 'directory' ? 2 + inode.subdirectories : 1 };
}

/** @throws CasError LAYER_DAMAGED */
export async function loadRoot(cache: NodeCache, digest: NodeDigest): Promise<RootRecord> {
  const node = cache.peek(digest) ?? (await cache.load(digest));
  if (node.kind !== 'root') throw damaged('it is not the root of a tree');
  return node;
}
