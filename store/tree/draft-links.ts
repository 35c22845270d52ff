import type { ByteText } from '../tar/entry.js';
import type { Arena, Handle } from './arena.js';
import { ByteReader, ByteWriter, damaged } from './bytes.js';
import { readDirectoryContent, TAG } from './entry-codec.js';
import { type Change, DraftDirectory, REMOVED } from './draft-directory.js';
import type { DirectoryContent } from './inode.js';
import { leavesOf, readLeaf } from './leaves.js';
import { linkName } from './link-name.js';
import type { NodeCache } from './node-cache.js';
import { findShared, writeShared } from './shared-inode.js';
import { takingTurns } from './turns.js';
import { type Nodes, withNodes } from './with-nodes.js';

/** Shared inodes that are counted before other work has its turn. */
const TURN = 1024;

/** Names that are seen no more: those of a directory of the tree below, but for some that were accounted for before. */
interface Dropped {
  readonly content: DirectoryContent;
  readonly except: ReadonlyMap<ByteText, unknown> | undefined;
}

/** The shared inodes of a tree that is being changed, and how many names of each have come or gone. */
export class DraftLinks {
  readonly #arena: Arena;
  readonly base: DirectoryContent | undefined;
  /** By number: how many more names lead to it than before. */
  readonly #differences = new Map<number, number>();
  /** The encoded inodes of those that the tree below does not have. */
  readonly #created = new Map<number, Handle>();
  readonly #dropped: Dropped[] = [];
  #next: number;

  constructor(arena: Arena, base: DirectoryContent | undefined, next: number) {
    this.#arena = arena;
    this.base = base;
    this.#next = next;
  }

  /** The number of the next inode to be shared. */
  get next(): number {
    return this.#next;
  }

  /** Makes an inode one that can have several names; says its number. No name leads to it yet. */
  create(inode: Handle): number {
    this.#created.set(this.#next, inode);
    return this.#next++;
  }

  /** Counts names that have come, or gone. */
  count(link: number, names: number): void {
    this.#differences.set(link, (this.#differences.get(link) ?? 0) + names);
  }

  /** The encoded inode, a view. @throws CasError LAYER_DAMAGED */
  inode(nodes: Nodes, link: number): Buffer {
    const created = this.#created.get(link);
    if (created !== undefined) return this.#arena.get(created);
    const shared = this.base && findShared(nodes, this.base, link);
    if (!shared) throw damaged('a name leads to no inode');
    return shared.body;
  }

  /** Takes note that an entry is seen no more, and what is below it neither. Reads nothing. */
  drop(entry: Buffer | DraftDirectory): void {
    if (!(entry instanceof DraftDirectory)) {
      if (entry[0] === TAG.shared) this.count(linkOf(entry), -1);
      if (entry[0] === TAG.directory) this.#drop(readDirectoryContent(new ByteReader(entry, 1)), undefined);
      return;
    }
    // Not by recursion: a tree may be deep.
    const gone = [entry];
    for (let directory = gone.pop(); directory; directory = gone.pop()) {
      if (directory.base) this.#drop(directory.base, directory.changes);
      for (const change of directory.changes?.values() ?? []) {
        if (typeof change !== 'number') gone.push(change);
        else if (change !== REMOVED) this.drop(this.#arena.get(change));
      }
    }
  }

  /** The changes of the table of shared inodes, after all entries. @throws CasError LAYER_DAMAGED */
  async changes(cache: NodeCache): Promise<Map<ByteText, Change>> {
    for (const { content, except } of this.#dropped) await this.#dropBelow(cache, content, except);
    const changes = new Map<ByteText, Change>();
    const writer = new ByteWriter();
    const turn = takingTurns(TURN);
    for (const [link, difference] of this.#differences) {
      await turn();
      const created = this.#created.has(link);
      const base = created ? undefined : this.base;
      const before = base && (await withNodes(cache, (nodes) => findShared(nodes, base, link)));
      if (!created && !before) throw damaged('a name leads to no inode');
      const nlink = (before?.nlink ?? 0) + difference;
      if (nlink < 0) throw damaged('an inode has more names than it says');
      if (difference === 0 || (created && nlink === 0)) continue;
      writer.clear();
      writeShared(writer, nlink, before?.body ?? this.#arena.get(this.#created.get(link) ?? REMOVED));
      changes.set(linkName(link), nlink === 0 ? REMOVED : this.#arena.add(writer.view()));
    }
    return changes;
  }

  #drop(content: DirectoryContent, except: ReadonlyMap<ByteText, unknown> | undefined): void {
    if (content.shared > 0) this.#dropped.push({ content, except });
  }

  /** Counts the shared names below; directories and leaves that have none are not read. */
  async #dropBelow(
    cache: NodeCache,
    top: DirectoryContent,
    except: ReadonlyMap<ByteText, unknown> | undefined,
  ): Promise<void> {
    const below = [top];
    for (let directory = below.pop(); directory; directory = below.pop()) {
      for (const record of await leavesOf(cache, directory)) {
        if (record.sums.shared === 0) continue;
        const leaf = await readLeaf(cache, record);
        for (let i = 0; i < leaf.count; i++) {
          if (directory === top && except?.has(leaf.name(i))) continue;
          const body = leaf.body(i);
          if (body[0] === TAG.shared) this.count(linkOf(body), -1);
          if (body[0] !== TAG.directory) continue;
          const inner = readDirectoryContent(new ByteReader(body, 1));
          if (inner.shared > 0) below.push(inner);
        }
      }
    }
  }
}

/** The number in the encoded entry of a shared name. */
export function linkOf(entry: Buffer): number {
  return new ByteReader(entry, 1).uint();
}
