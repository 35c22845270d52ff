import { ByteReader, ByteWriter } from './bytes.js';
import type { DraftTree } from './draft-tree.js';
import { readInode, TAG, writeDirectoryContent } from './entry-codec.js';
import type { Inode, NodeDigest } from './inode.js';
import { LeafCutter } from './leaf-cutter.js';
import type { NodeCache } from './node-cache.js';
import { type NewNode, NodeSink } from './node-sink.js';
import { RootRecord, writeRoot } from './root-record.js';
import { takingTurns } from './turns.js';
import { writeDirectory, type Writing } from './write-directory.js';

/** A layer's tree. */
export interface BuiltTree {
  readonly root: NodeDigest;
  /** The nodes that the tree below does not have, each once, and few others. */
  readonly nodes: readonly NewNode[];
  /** Names in the merged tree. */
  readonly entries: number;
}

/** Directories that are written before other work has its turn. */
const TURN = 512;

/**
 * Encodes what differs from the tree below.
 * @param base the root of the tree below
 * @throws CasError LAYER_DAMAGED
 */
export async function writeTree(tree: DraftTree, cache: NodeCache, base?: NodeDigest): Promise<BuiltTree> {
  const { arena, links } = tree;
  const sink = new NodeSink();
  if (base) sink.know(base);
  const writing = { cache, arena, sink, cutter: new LeafCutter(sink) };
  const root = await writeDirectories(writing, tree);
  if (root.type !== 'directory') throw new TypeError('the root is a directory');
  const changes = await links.changes(cache);
  const table = await writeDirectory(writing, { base: links.base, changes });
  const record = new RootRecord(root, table, links.next);
  return {
    root: sink.put('root', (into) => writeRoot(into, record)),
    nodes: sink.nodes,
    entries: root.total,
  };
}

/** Children before their parents, the root last; says what that is. */
async function writeDirectories(writing: Writing, tree: DraftTree): Promise<Inode> {
  const { arena } = writing;
  const writer = new ByteWriter();
  const turn = takingTurns(TURN);
  const directories = tree.directories();
  for (let directory = directories.pop(); directory; directory = directories.pop()) {
    const content = await writeDirectory(writing, directory);
    writer.clear();
    writer.byte(TAG.directory);
    writeDirectoryContent(writer, content);
    writer.raw(arena.get(directory.attributes));
    directory.written = arena.add(writer.view());
    directory.changes = undefined;
    await turn();
  }
  return readInode(new ByteReader(arena.get(tree.root.written)));
}
