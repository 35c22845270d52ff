import { CasError } from '../errors.js';
import type { ByteText, TarEntry } from '../tar/entry.js';
import { DraftDirectory } from './draft-directory.js';
import { DraftTree } from './draft-tree.js';
import { HardLinks } from './hard-links.js';
import { hide, type Hiding } from './hide.js';
import type { FileContent, NodeDigest } from './inode.js';
import { LAYER_LIMITS, type LayerLimits } from './layer-limits.js';
import type { NodeCache } from './node-cache.js';
import { loadRoot } from './reader.js';
import { ownTree } from './own-tree.js';
import { type Place, RecentParent } from './recent-parent.js';
import type { RootRecord } from './root-record.js';
import { tarAttributes, tarInode } from './tar-inode.js';
import { type Components, readTarName, WHITEOUT } from './tar-name.js';
import { walk } from './walk.js';
import { type Nodes, withNodes } from './with-nodes.js';
import { type BuiltTree, writeTree } from './write-tree.js';

/**
 * Applies one layer to the tree below it. All entries of the tar are given twice, in its order: first to `survey`, then
 * to `add`, each call awaited. So the layer's whiteouts hide only what is below it, wherever they stand in the tar.
 * After an error the builder is of no further use.
 */
export class TreeBuilder {
  readonly #cache: NodeCache;
  readonly #limits: LayerLimits;
  readonly #base: NodeDigest | undefined;
  readonly #tree: DraftTree;
  readonly #hardLinks: HardLinks;
  readonly #recent: RecentParent;
  /** What the layer hides; undefined once it is hidden. */
  #hiding: Hiding[] | undefined = [];
  /** Paths of the directories that the layer has itself. */
  readonly #own = new Set<ByteText>();
  #surveyed = 0;

  private constructor(cache: NodeCache, limits: LayerLimits, base?: NodeDigest, record?: RootRecord) {
    this.#cache = cache;
    this.#limits = limits;
    this.#base = base;
    this.#tree = new DraftTree(record, limits.names);
    this.#hardLinks = new HardLinks(this.#tree);
    this.#recent = new RecentParent(this.#tree);
  }

  /**
   * @param base the root of the tree below; undefined for the lowest layer
   * @throws CasError LAYER_DAMAGED
   */
  static async open(cache: NodeCache, base?: NodeDigest, limits = LAYER_LIMITS): Promise<TreeBuilder> {
    return new TreeBuilder(cache, limits, base, base && (await loadRoot(cache, base)));
  }

  /** @throws CasError LAYER_INVALID, LAYER_TOO_LARGE */
  survey(entry: TarEntry): void {
    const { names } = this.#limits;
    if (++this.#surveyed > names) {
      throw new CasError('LAYER_TOO_LARGE', { subject: 'entries', expected: names, found: this.#surveyed });
    }
    if (entry.type !== 'directory' && !entry.name.includes(WHITEOUT)) return;
    const name = readTarName(entry.name);
    if (name.kind === 'whiteout' || name.kind === 'opaque') this.#hiding?.push(name);
    else if (name.kind === 'path' && entry.type === 'directory') this.#own.add(name.components.join('/'));
  }

  /**
   * @param content the bytes of a file; undefined where it has none, for being empty or a hole
   * @throws CasError LAYER_INVALID, LAYER_TOO_LARGE, LAYER_DAMAGED
   */
  add(entry: TarEntry, content?: FileContent): void | Promise<void> {
    if (this.#hiding) return this.#hide(this.#hiding).then(() => this.add(entry, content));
    const place = this.#recent.place(entry.name);
    if (place) return withNodes(this.#cache, (nodes) => this.#addAt(nodes, place, entry, content));
    const name = readTarName(entry.name);
    if (name.kind === 'pseudo-link' && entry.type === 'file') {
      const inode = this.#tree.addEntry(tarInode(entry, content, this.#limits));
      this.#hardLinks.addPseudoLink(name.components, inode);
    }
    if (name.kind !== 'path') return;
    return withNodes(this.#cache, (nodes) => this.#add(nodes, name.components, entry, content));
  }

  /** @throws CasError LAYER_INVALID, LAYER_DAMAGED */
  async finish(): Promise<BuiltTree> {
    if (this.#hiding) await this.#hide(this.#hiding);
    return writeTree(this.#tree, this.#cache, this.#base);
  }

  /**
   * Instead of {@link finish}: the tree of what the layer itself has, as overlayfs keeps it above the tree below.
   * @throws as {@link finish}; CasError LAYER_INVALID where overlayfs cannot have it
   */
  async finishOwn(): Promise<BuiltTree> {
    if (this.#hiding) await this.#hide(this.#hiding);
    return writeTree(await ownTree(this.#tree, this.#cache), this.#cache);
  }

  async #hide(hiding: readonly Hiding[]): Promise<void> {
    await hide(this.#tree, this.#cache, hiding, this.#own);
    this.#hiding = undefined;
    this.#own.clear();
  }

  #add(nodes: Nodes, components: Components, entry: TarEntry, content: FileContent | undefined): void {
    const name = components.at(-1);
    if (name === undefined) {
      this.#addRoot(entry);
      return;
    }
    const parent = walk(this.#tree, nodes, components.slice(0, -1), { create: true }) ?? this.#tree.root;
    this.#recent.keep(entry.name, components, parent);
    this.#addAt(nodes, { parent, name }, entry, content);
  }

  #addRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') {
      const subject = JSON.stringify(entry.name);
      throw new CasError('LAYER_INVALID', {
        subject,
        expected: 'a directory as the root',
        found: entry.type,
      });
    }
    this.#tree.describe(this.#tree.root, this.#tree.addAttributes(tarAttributes(entry, this.#limits)));
  }

  #addAt(nodes: Nodes, place: Place, entry: TarEntry, content: FileContent | undefined): void {
    const { parent, name } = place;
    const old = this.#tree.child(nodes, parent, name);
    if (entry.type === 'link') {
      this.#hardLinks.add(nodes, place, old, entry);
    } else if (entry.type === 'directory') {
      const attributes = this.#tree.addAttributes(tarAttributes(entry, this.#limits));
      if (old instanceof DraftDirectory) this.#tree.describe(old, attributes);
      else this.#tree.makeDirectory(parent, name, old, attributes);
    } else {
      const added = this.#tree.addEntry(tarInode(entry, content, this.#limits));
      this.#tree.replace(parent, name, old, added);
    }
  }
}
