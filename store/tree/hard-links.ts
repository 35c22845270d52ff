import { CasError } from '../errors.js';
import type { ByteText, TarEntry } from '../tar/entry.js';
import type { Handle } from './arena.js';
import { DraftDirectory } from './draft-directory.js';
import { linkOf } from './draft-links.js';
import { type Child, type DraftTree, pathText } from './draft-tree.js';
import { TAG } from './entry-codec.js';
import type { Place } from './recent-parent.js';
import { type Components, readTarName } from './tar-name.js';
import { walk } from './walk.js';
import type { Nodes } from './with-nodes.js';

/** Adds the hard links of a layer. */
export class HardLinks {
  readonly #tree: DraftTree;
  /** The encoded inodes of files that are seen only through hard links, which copy them. */
  readonly #pseudoLinks = new Map<ByteText, Handle>();

  constructor(tree: DraftTree) {
    this.#tree = tree;
  }

  addPseudoLink(components: Components, inode: Handle): void {
    this.#pseudoLinks.set(components.join('/'), inode);
  }

  /**
   * Lets a name lead to the inode of another one. The attributes of the entry's own header mean nothing.
   * @param old what the name leads to now
   * @throws CasError LAYER_INVALID where the target is missing or a directory; LAYER_TOO_LARGE, LAYER_DAMAGED
   */
  add(nodes: Nodes, { parent, name }: Place, old: Child | undefined, entry: TarEntry): void {
    const target = readTarName(entry.linkName);
    if (target.kind === 'pseudo-link') {
      const inode = this.#pseudoLinks.get(target.components.join('/'));
      if (inode === undefined) throw missingTarget(entry, target.components);
      this.#tree.replace(parent, name, old, inode);
      return;
    }
    if (target.kind !== 'path') throw missingTarget(entry, []);
    const targetParent = walk(this.#tree, nodes, target.components.slice(0, -1), {});
    const targetName = target.components.at(-1);
    const found =
      targetParent && targetName !== undefined && this.#tree.child(nodes, targetParent, targetName);
    if (!found || found instanceof DraftDirectory) throw missingTarget(entry, target.components);
    if (targetParent === parent && targetName === name) return;
    const shared = this.#share({ parent: targetParent, name: targetName }, found);
    this.#tree.replace(parent, name, old, shared);
  }

  /** Makes the inode of a name a shared one, and counts one more name of it; says the encoded entry of that. */
  #share({ parent, name }: Place, entry: Buffer): Handle {
    const { arena, links } = this.#tree;
    if (entry[0] === TAG.shared) {
      links.count(linkOf(entry), 1);
      return arena.add(entry);
    }
    const link = links.create(arena.add(entry));
    const shared = this.#tree.addEntry({ type: 'shared', link });
    links.count(link, 2);
    parent.set(name, shared);
    return shared;
  }
}

function missingTarget(entry: TarEntry, target: Components): CasError {
  return new CasError('LAYER_INVALID', {
    subject: JSON.stringify(entry.name),
    expected: 'a hard link to an earlier name that is no directory',
    found: pathText(target),
  });
}
