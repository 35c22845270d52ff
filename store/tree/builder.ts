import { setImmediate } from 'node:timers/promises';
import { CasError } from '../errors.js';
import type { ByteText, TarEntry } from '../tar/entry.js';
import type { Handle } from './arena.js';
import { ByteReader, ByteWriter } from './bytes.js';
import { DraftDirectory } from './draft-directory.js';
import { linkOf } from './draft-links.js';
import { type Child, DraftTree, pathText } from './draft-tree.js';
import { readInode, TAG, writeDirectoryContent } from './entry-codec.js';
import type { DirectoryContent, FileContent, NodeDigest } from './inode.js';
import { LAYER_LIMITS, type LayerLimits } from './layer-limits.js';
import { LeafCutter } from './leaf-cutter.js';
import type { NodeCache } from './node-cache.js';
import { type NewNode, NodeSink } from './node-sink.js';
import { loadRoot } from './reader.js';
import { type Place, RecentParent } from './recent-parent.js';
import { RootRecord, writeRoot } from './root-record.js';
import { tarAttributes, tarInode } from './tar-inode.js';
import { type Components, readTarName, type TarName, WHITEOUT } from './tar-name.js';
import { walk } from './walk.js';
import { type Nodes, withNodes } from './with-nodes.js';
import { writeDirectory, type Writing } from './write-directory.js';

/** A layer's tree. */
export interface BuiltTree {
  readonly root: NodeDigest;
  /** Those that the tree below does not have, and a few that it may have. */
  readonly nodes: readonly NewNode[];
  /** Names in the merged tree. */
  readonly entries: number;
}

type Hiding = Extract<TarName, { kind: 'whiteout' | 'opaque' }>;

/** Directories that are written before other work has its turn. */
const TURN = 512;

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
  readonly #recent: RecentParent;
  /** What the layer hides; undefined once it is hidden. */
  #hiding: Hiding[] | undefined = [];
  /** Paths of the directories that the layer has itself. */
  #own = new Set<ByteText>();
  /** The encoded inodes of files that are seen only through hard links. */
  readonly #pseudoLinks = new Map<ByteText, Handle>();

  private constructor(cache: NodeCache, limits: LayerLimits, base?: NodeDigest, record?: RootRecord) {
    this.#cache = cache;
    this.#limits = limits;
    this.#base = base;
    this.#tree = new DraftTree(record, limits.names);
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
      this.#pseudoLinks.set(name.components.join('/'), inode);
    }
    if (name.kind !== 'path') return;
    return withNodes(this.#cache, (nodes) => this.#add(nodes, name.components, entry, content));
  }

  /** @throws CasError LAYER_DAMAGED */
  async finish(): Promise<BuiltTree> {
    if (this.#hiding) await this.#hide(this.#hiding);
    const { arena, links, root } = this.#tree;
    const sink = new NodeSink();
    if (this.#base) sink.know(this.#base);
    const writing = { cache: this.#cache, arena, sink, cutter: new LeafCutter(sink) };
    const rootContent = await this.#writeDirectories(writing);
    const table = { base: links.base, changes: await links.changes(this.#cache) };
    const tableContent = await writeDirectory(writing, table);
    const inode = readInode(new ByteReader(arena.get(root.written)));
    if (inode.type !== 'directory') throw new TypeError('the root is a directory');
    const record = new RootRecord(inode, tableContent, links.next);
    return {
      root: sink.put('root', (into) => writeRoot(into, record)),
      nodes: sink.nodes,
      entries: rootContent.total,
    };
  }

  async #hide(hiding: readonly Hiding[]): Promise<void> {
    for (const what of hiding) await withNodes(this.#cache, (nodes) => this.#hideOne(nodes, what));
    this.#hiding = undefined;
    this.#own.clear();
  }

  /**
   * Where the layer has a directory of its own in place of a symlink, the whiteouts in it do not reach through the
   * symlink: the overlay driver of Docker marks such a directory as opaque.
   */
  #hideOne(nodes: Nodes, { kind, components }: Hiding): void {
    const options = { blocked: this.#own };
    if (kind === 'opaque') {
      const directory = walk(this.#tree, nodes, components, options);
      if (directory) this.#tree.empty(directory);
      return;
    }
    const parent = walk(this.#tree, nodes, components.slice(0, -1), options);
    const name = components.at(-1) ?? '';
    const old = parent && this.#tree.child(nodes, parent, name);
    if (old) this.#tree.remove(parent, name, old);
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

  #addAt(nodes: Nodes, place: Place, entry: TarEntry, content: FileContent | undefined): void {
    const { parent, name } = place;
    const old = this.#tree.child(nodes, parent, name);
    if (entry.type === 'link') {
      this.#addLink(nodes, place, old, entry);
    } else if (entry.type === 'directory') {
      const attributes = this.#tree.addAttributes(tarAttributes(entry, this.#limits));
      if (old instanceof DraftDirectory) this.#tree.describe(old, attributes);
      else this.#tree.makeDirectory(parent, name, old, attributes);
    } else {
      const added = this.#tree.addEntry(tarInode(entry, content, this.#limits));
      this.#tree.replace(parent, name, old, added);
    }
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

  /** The attributes of a link's own header mean nothing: they are those of the inode that it leads to. */
  #addLink(nodes: Nodes, { parent, name }: Place, old: Child | undefined, entry: TarEntry): void {
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
    this.#tree.replace(parent, name, old, this.#share(targetParent, targetName, found));
  }

  /** The encoded entry that leads to the inode of another, which becomes a shared one. One more name is counted. */
  #share(parent: DraftDirectory, name: ByteText, entry: Buffer): Handle {
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

  /** Children before their parents. */
  async #writeDirectories(writing: Writing): Promise<DirectoryContent> {
    const writer = new ByteWriter();
    const directories = this.#tree.directories();
    for (let i = directories.length - 1; ; i--) {
      const directory = directories[i];
      if (!directory) throw new TypeError('the root is a directory');
      const content = await writeDirectory(writing, directory);
      writer.clear();
      writer.byte(TAG.directory);
      writeDirectoryContent(writer, content);
      writer.raw(writing.arena.get(directory.attributes));
      directory.written = writing.arena.add(writer.view());
      directory.changes = undefined;
      if (i === 0) return content;
      if (i % TURN === 0) await setImmediate();
    }
  }
}

function missingTarget(entry: TarEntry, target: Components): CasError {
  return new CasError('LAYER_INVALID', {
    subject: JSON.stringify(entry.name),
    expected: 'a hard link to an earlier name that is no directory',
    found: pathText(target),
  });
}
