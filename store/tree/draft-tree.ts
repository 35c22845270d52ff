import { CasError } from '../errors.js';
import type { ByteText } from '../tar/entry.js';
import { Arena, type Handle } from './arena.js';
import { ByteReader, ByteWriter } from './bytes.js';
import { DraftDirectory, REMOVED } from './draft-directory.js';
import { DraftLinks, linkOf } from './draft-links.js';
import { readDirectoryContent, readInode, TAG, writeAttributes, writeEntry } from './entry-codec.js';
import { flatName } from './flat-name.js';
import type { Attributes, Entry } from './inode.js';
import { findName } from './position.js';
import type { RootRecord } from './root-record.js';
import { type Components, PATH_LIMIT } from './tar-name.js';
import type { Nodes } from './with-nodes.js';

/** What a directory is that a layer does not describe: one time for all, so that the tree is always the same. */
export const IMPLIED: Attributes = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: [],
};

/** A directory that is being changed, or the encoded entry of what is none. */
export type Child = DraftDirectory | Buffer;

/** A tree that is being changed, in memory only where it differs from the one below. */
export class DraftTree {
  readonly arena = new Arena();
  readonly links: DraftLinks;
  readonly root: DraftDirectory;
  readonly #limit: number;
  readonly #writer = new ByteWriter();
  readonly #implied: Handle;
  #names = 0;
  #version = 0;

  /** @param limit how many names may be added */
  constructor(base: RootRecord | undefined, limit: number) {
    this.#limit = limit;
    this.#implied = this.#write((into) => writeAttributes(into, IMPLIED));
    this.links = new DraftLinks(this.arena, base?.links, base?.nextLink ?? 1);
    const attributes = base ? this.addAttributes(base.root) : this.#implied;
    this.root = new DraftDirectory(0, attributes, base?.root);
  }

  /** Names that were added, each as often as it was. */
  get names(): number {
    return this.#names;
  }

  /** Changes when a path that led to a directory may lead elsewhere. */
  get version(): number {
    return this.#version;
  }

  addAttributes(attributes: Attributes): Handle {
    return this.#write((into) => writeAttributes(into, attributes));
  }

  addEntry(entry: Entry): Handle {
    return this.#write((into) => writeEntry(into, entry));
  }

  /** What a name leads to now; a directory becomes one that can be changed. @throws CasError LAYER_DAMAGED */
  child(nodes: Nodes, parent: DraftDirectory, name: ByteText): Child | undefined {
    const change = parent.changes?.get(name);
    if (change instanceof DraftDirectory) return change;
    if (change !== undefined) return change === REMOVED ? undefined : this.arena.get(change);
    const position = parent.base && findName(nodes, parent.base, name);
    const entry = position?.leaf.body(position.index);
    if (entry?.[0] !== TAG.directory) return entry;
    const from = new ByteReader(entry, 1);
    const base = readDirectoryContent(from);
    const attributes = this.arena.add(entry.subarray(from.position));
    const directory = new DraftDirectory(parent.pathLength + 1 + name.length, attributes, base);
    parent.set(flatName(name), directory);
    return directory;
  }

  /** Where a symlink leads; undefined for what is none. @throws CasError LAYER_DAMAGED */
  target(nodes: Nodes, entry: Buffer): ByteText | undefined {
    const body = entry[0] === TAG.shared ? this.links.inode(nodes, linkOf(entry)) : entry;
    if (body[0] !== TAG.symlink) return undefined;
    const inode = readInode(new ByteReader(body));
    return inode.type === 'symlink' ? inode.target : undefined;
  }

  /**
   * Lets a name lead to something else, whatever it led to before.
   * @param old what it leads to now
   * @throws CasError LAYER_TOO_LARGE
   */
  replace(
    parent: DraftDirectory,
    name: ByteText,
    old: Child | undefined,
    entry: Handle | DraftDirectory,
  ): void {
    this.#count(parent.pathLength + 1 + name.length);
    if (old) this.#drop(old);
    parent.set(flatName(name), entry);
  }

  /** A new empty directory in place of whatever is there. @throws CasError LAYER_TOO_LARGE */
  makeDirectory(
    parent: DraftDirectory,
    name: ByteText,
    old: Child | undefined,
    attributes = this.#implied,
  ): DraftDirectory {
    const directory = new DraftDirectory(parent.pathLength + 1 + name.length, attributes);
    this.replace(parent, name, old, directory);
    return directory;
  }

  /** Counts a directory that is described again. @throws CasError LAYER_TOO_LARGE */
  describe(directory: DraftDirectory, attributes: Handle): void {
    this.#count(directory.pathLength);
    directory.attributes = attributes;
  }

  remove(parent: DraftDirectory, name: ByteText, old: Child): void {
    this.#drop(old);
    if (parent.base) parent.set(flatName(name), REMOVED);
    else parent.changes?.delete(name);
  }

  /** Takes everything out of a directory. */
  empty(directory: DraftDirectory): void {
    this.#drop(directory);
    directory.base = undefined;
    directory.changes = undefined;
    directory.opaque = true;
  }

  /** Every directory that is in memory, parents first. */
  directories(): DraftDirectory[] {
    const all = [this.root];
    for (const directory of all) {
      for (const change of directory.changes?.values() ?? [])
        if (typeof change !== 'number') all.push(change);
    }
    return all;
  }

  #drop(child: Child): void {
    this.links.drop(child);
    this.#version++;
  }

  #count(pathLength: number): void {
    // Names that are reached through symlinks can lie deeper than any path of the layer says.
    if (pathLength > PATH_LIMIT + 1) throw tooLarge('the path of a name', PATH_LIMIT, pathLength - 1);
    if (++this.#names > this.#limit) throw tooLarge('names', this.#limit, this.#names);
  }

  #write(write: (into: ByteWriter) => void): Handle {
    this.#writer.clear();
    write(this.#writer);
    return this.arena.add(this.#writer.view());
  }
}

/** @param components relative to the root, for messages */
export function pathText(components: Components): string {
  return JSON.stringify(components.join('/'));
}

function tooLarge(subject: string, expected: number, found: number): CasError {
  return new CasError('LAYER_TOO_LARGE', { subject, expected, found });
}
