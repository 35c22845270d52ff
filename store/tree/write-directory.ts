import { setImmediate } from 'node:timers/promises';
import type { ByteText } from '../tar/entry.js';
import type { Arena } from './arena.js';
import { type Change, type DraftDirectory, REMOVED } from './draft-directory.js';
import type { DirectoryContent } from './inode.js';
import type { LeafCutter } from './leaf-cutter.js';
import { leavesOf, readLeaf } from './leaves.js';
import type { NodeCache } from './node-cache.js';
import type { NodeSink } from './node-sink.js';

/** Names that are written before other work has its turn. */
const TURN = 8192;

/** What encoding needs. */
export interface Writing {
  readonly cache: NodeCache;
  readonly arena: Arena;
  readonly sink: NodeSink;
  readonly cutter: LeafCutter;
}

/**
 * Encodes a directory, the directories in it being written already. Of the directory below only those leaves are read
 * that a change falls into, and those behind them until boundaries meet again.
 * @throws CasError LAYER_DAMAGED
 */
export async function writeDirectory(
  writing: Writing,
  { base, changes }: Pick<DraftDirectory, 'base' | 'changes'>,
): Promise<DirectoryContent> {
  const { cutter, sink, cache } = writing;
  if (base && !changes?.size) return base;
  // Text of one byte per character is ordered as its bytes are.
  const names = changes ? [...changes.keys()].sort() : [];
  const add = (end: number): void => {
    for (; at < end; at++) addChange(writing, names[at] ?? '', changes);
  };
  let at = 0;
  const leaves = base ? await leavesOf(cache, base) : [];
  if (base) sink.know(base.node);
  for (const [i, record] of leaves.entries()) {
    const end = indexFrom(names, at, leaves[i + 1]?.first);
    if (end === at && cutter.atBoundary) {
      cutter.reuse(record);
      continue;
    }
    sink.know(record.node);
    const leaf = await readLeaf(cache, record);
    for (let j = 0; j < leaf.count; j++) {
      const name = leaf.name(j);
      add(indexFrom(names, at, name));
      if (!changes?.has(name)) cutter.add(name, leaf.body(j));
    }
    add(end);
  }
  while (names.length - at > TURN) {
    add(at + TURN);
    await setImmediate();
  }
  add(names.length);
  return cutter.finish();
}

function addChange({ arena, cutter }: Writing, name: ByteText, changes?: Map<ByteText, Change>): void {
  const change = changes?.get(name) ?? REMOVED;
  const entry = typeof change === 'number' ? change : change.written;
  if (entry !== REMOVED) cutter.add(name, arena.get(entry));
}

/** Where the names that are not before `bound` begin; without a bound there are none. */
function indexFrom(names: readonly ByteText[], from: number, bound: ByteText | undefined): number {
  if (bound === undefined) return names.length;
  let index = from;
  for (let name = names[index]; name !== undefined && name < bound; name = names[index]) index++;
  return index;
}
