import { setImmediate } from 'node:timers/promises';
import type { SplitRecord } from '../split/record.js';
import { readSplitFile } from '../split/split-file.js';
import { decodeEntry, paddingAfter } from '../tar/decode.js';
import type { TarEntry } from '../tar/entry.js';
import type { TreeBuilder } from '../tree/builder.js';
import type { FileContent } from '../tree/inode.js';
import type { BuiltTree } from '../tree/write-tree.js';

/** An entry of a tar, and the payload that its data is. */
export interface FoundEntry {
  readonly entry: TarEntry;
  readonly payload: SplitRecord['payload'];
}

/** After how many entries other work has its turn: some 5 ms. */
const TURN = 500;

/** Adds all entries of a layer's tar to its tree, which has surveyed them before. */
export async function addEntries(
  builder: TreeBuilder,
  entries: AsyncIterable<FoundEntry> | Iterable<FoundEntry>,
  signal?: AbortSignal,
): Promise<void> {
  let count = 0;
  for await (const { entry, payload } of entries) {
    signal?.throwIfAborted();
    if (++count % TURN === 0) await setImmediate();
    const added = builder.add(entry, contentOf(entry, payload));
    if (added instanceof Promise) await added;
  }
}

/** Shows all entries of a layer's tar to its tree. */
export async function surveyEntries(
  builder: TreeBuilder,
  records: AsyncIterable<SplitRecord>,
): Promise<void> {
  for await (const { entry } of entriesIn(records)) builder.survey(entry);
}

/** The tree of what a layer itself has, from its split file; `builder` has the tree below. */
export async function buildOwnTree(
  builder: TreeBuilder,
  split: string,
  signal?: AbortSignal,
): Promise<BuiltTree> {
  await surveyEntries(builder, readSplitFile(split));
  await addEntries(builder, entriesIn(readSplitFile(split)), signal);
  return builder.finishOwn();
}

/** The entries whose headers are in records. Padding of one file's data stands before the next header. */
export async function* entriesIn(records: AsyncIterable<SplitRecord>): AsyncGenerator<FoundEntry> {
  let padding = 0;
  for await (const { raw, entry, payload } of records) {
    if (entry) yield { entry: decodeEntry(raw, padding), payload };
    padding = paddingAfter(payload?.size ?? 0);
  }
}

function contentOf({ size, sparse }: TarEntry, payload: SplitRecord['payload']): FileContent {
  return { size, ...(payload && { payload }), ...(sparse && { extents: sparse }) };
}
