import { damaged } from './bytes.js';
import type { DirectoryContent, NodeDigest } from './inode.js';
import type { Leaf } from './leaf.js';
import type { LeafIndex } from './leaf-index.js';
import type { Node } from './node.js';
import type { NodeCache } from './node-cache.js';
import type { Sums } from './sums.js';

/** Says that a node is not in memory; caught by {@link withNodes} alone. */
class NodeAbsent extends Error {
  readonly digest: NodeDigest;

  constructor(digest: NodeDigest) {
    super();
    this.digest = digest;
  }
}

/** Nodes as synchronous work sees them. */
export class Nodes {
  readonly #cache: NodeCache;
  /** What was fetched for this work stays until it is done, whatever the cache drops. */
  readonly #fetched: ReadonlyMap<string, Node> | undefined;

  constructor(cache: NodeCache, fetched?: ReadonlyMap<string, Node>) {
    this.#cache = cache;
    this.#fetched = fetched;
  }

  /** The node of a directory. @throws CasError LAYER_DAMAGED */
  directory(content: DirectoryContent): Leaf | LeafIndex {
    return checked(this.#get(content.node), content);
  }

  /** A leaf that an index names. @throws CasError LAYER_DAMAGED */
  leaf(digest: NodeDigest, sums: Sums): Leaf {
    const node = checked(this.#get(digest), sums);
    if (node.kind !== 'leaf' || node.sums.entries !== sums.entries)
      throw damaged('a leaf is not that of its index');
    return node;
  }

  #get(digest: NodeDigest): Node {
    const node = this.#fetched?.get(digest.toString('latin1')) ?? this.#cache.peek(digest);
    if (!node) throw new NodeAbsent(digest);
    return node;
  }
}

/**
 * Does work that reads nodes, at once where all are in memory. Where one is not, it is fetched and the work is done
 * again from its beginning: so it must change nothing before it has read all that it needs.
 */
export function withNodes<T>(cache: NodeCache, work: (nodes: Nodes) => T): T | Promise<T> {
  try {
    return work(new Nodes(cache));
  } catch (error) {
    if (error instanceof NodeAbsent) return fetching(cache, work, error);
    throw error;
  }
}

async function fetching<T>(cache: NodeCache, work: (nodes: Nodes) => T, first: NodeAbsent): Promise<T> {
  const fetched = new Map<string, Node>();
  for (let absent = first; ;) {
    fetched.set(absent.digest.toString('latin1'), await cache.load(absent.digest));
    try {
      return work(new Nodes(cache, fetched));
    } catch (error) {
      if (!(error instanceof NodeAbsent)) throw error;
      absent = error;
    }
  }
}

/** Totals that are not those of the node would send a search astray. */
function checked(node: Node, said: Omit<Sums, 'entries'>): Leaf | LeafIndex {
  if (node.kind === 'root') throw damaged('a root is below a directory');
  const { total, subdirectories, shared } = node.sums;
  if (total !== said.total || subdirectories !== said.subdirectories || shared !== said.shared) {
    throw damaged('a directory does not have what is said of it');
  }
  return node;
}
