import { createHash } from 'node:crypto';
import type { FileContent, NodeDigest, NodeSource } from '../../../store/tree/inode.js';
import { TreeBuilder } from '../../../store/tree/builder.js';
import { NodeCache } from '../../../store/tree/node-cache.js';
import { type Found, TreeReader } from '../../../store/tree/reader.js';
import type { TarEntry } from '../../../store/tar/entry.js';
import { CasError } from '../../../store/errors.js';
import type { BuiltTree } from '../../../store/tree/write-tree.js';

/** Nodes in memory, and how many were asked for. */
export class MemorySource implements NodeSource {
  readonly nodes = new Map<string, Buffer>();
  reads = 0;

  get(digest: NodeDigest): Promise<Buffer> {
    this.reads++;
    const bytes = this.nodes.get(digest.toString('hex'));
    return bytes
      ? Promise.resolve(bytes)
      : Promise.reject(new CasError('LAYER_DAMAGED', { subject: digest.toString('hex') }));
  }

  put(bytes: Buffer): NodeDigest {
    const digest = createHash('sha256').update(bytes).digest();
    this.nodes.set(digest.toString('hex'), bytes);
    return digest;
  }
}

/** A file, directory, symlink or link as an entry of a tar; what is not given is nothing special. */
export function entry(type: TarEntry['type'], name: string, fields: Partial<TarEntry> = {}): TarEntry {
  return {
    type,
    name,
    linkName: '',
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: { seconds: 1000, nanoseconds: 0 },
    size: 0,
    stored: 0,
    major: 0,
    minor: 0,
    xattrs: [],
    ...fields,
  };
}

export const file = (name: string, fields?: Partial<TarEntry>): TarEntry => entry('file', name, fields);
export const directory = (name: string, fields?: Partial<TarEntry>): TarEntry =>
  entry('directory', name, fields);
export const symlink = (name: string, linkName: string): TarEntry => entry('symlink', name, { linkName });
export const link = (name: string, linkName: string): TarEntry => entry('link', name, { linkName });

export interface Layer {
  readonly entries: Iterable<TarEntry>;
  readonly content?: (entry: TarEntry) => FileContent | undefined;
}

/** Trees over a source in memory. */
export class Forest {
  readonly source = new MemorySource();
  cache: NodeCache;

  constructor(capacity = 1 << 20) {
    this.cache = new NodeCache(this.source, capacity);
  }

  /** Applies a layer and stores its nodes. */
  async build(base: NodeDigest | undefined, layer: Layer): Promise<BuiltTree> {
    return this.#store(await (await this.#apply(base, layer)).finish());
  }

  /** Stores what a layer itself has, as overlayfs would have it. */
  async buildOwn(base: NodeDigest | undefined, layer: Layer): Promise<BuiltTree> {
    return this.#store(await (await this.#apply(base, layer)).finishOwn());
  }

  async #apply(base: NodeDigest | undefined, { entries, content }: Layer): Promise<TreeBuilder> {
    const all = [...entries];
    const builder = await TreeBuilder.open(this.cache, base);
    for (const one of all) builder.survey(one);
    for (const one of all) await builder.add(one, content?.(one));
    return builder;
  }

  #store(built: BuiltTree): BuiltTree {
    for (const [digest, bytes] of built.nodes) this.source.nodes.set(digest.toString('hex'), bytes);
    return built;
  }

  /** The tree of a stack of layers. */
  async stack(...layers: TarEntry[][]): Promise<TreeReader> {
    let base: NodeDigest | undefined;
    for (const entries of layers) base = (await this.build(base, { entries })).root;
    if (!base) throw new Error('no layer');
    return TreeReader.open(this.cache, base);
  }
}

/** Every path of a tree with its inode, parents first and names in bytewise order. */
export async function walkTree(
  reader: TreeReader,
  limit = 3,
): Promise<(Found & { readonly path: string })[]> {
  const all: (Found & { readonly path: string })[] = [];
  const visit = async (path: string, found: Found): Promise<void> => {
    all.push({ path, ...found });
    if (found.inode.type !== 'directory') return;
    for (let from = 0; ;) {
      const names = await reader.list(found.number, from, limit);
      if (names.length === 0) return;
      from += names.length;
      for (const { name, ...inner } of names) await visit(`${path}/${name}`, inner);
    }
  };
  const root = await reader.inode(0);
  if (root) await visit('', root);
  return all;
}

/** What `walkTree` finds, in short: `/a file`, `/b -> target`, `/c file 2` where there are two names. */
export async function outline(reader: TreeReader): Promise<string[]> {
  const all = await walkTree(reader);
  return all.slice(1).map(({ path, inode, nlink }) => {
    if (inode.type === 'symlink') return `${path} -> ${inode.target}`;
    return inode.type === 'directory' ? `${path}/` : `${path}${nlink === 1 ? '' : ` ${nlink}`}`;
  });
}

/** What layers give, in short. */
export async function merged(...layers: TarEntry[][]): Promise<string[]> {
  return outline(await new Forest().stack(...layers));
}

/** A layer to be changed by others. */
export const BASE = [
  directory('d/'),
  file('d/a'),
  file('d/b'),
  file('f'),
  symlink('l', 'd'),
  symlink('abs', '/d'),
];
