import type { SplitRecord } from '../split/record.js';
import { decodeEntry, paddingAfter } from '../tar/decode.js';
import type { TarEntry } from '../tar/entry.js';
import type { TreeBuilder } from '../tree/builder.js';
import type { FileContent } from '../tree/inode.js';

/** Adds all entries of a layer's tar to its tree, which has surveyed them before. */
export async function addEntries(
  builder: TreeBuilder,
  records: AsyncIterable<SplitRecord>,
  signal?: AbortSignal,
): Promise<void> {
  for await (const { entry, payload } of entriesIn(records)) {
    signal?.throwIfAborted();
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

interface FoundEntry {
  readonly entry: TarEntry;
  readonly payload: SplitRecord['payload'];
}

/** The entries whose headers are in records. Padding of one file's data stands before the next header. */
async function* entriesIn(records: AsyncIterable<SplitRecord>): AsyncGenerator<FoundEntry> {
  let padding = 0;
  for await (const { raw, entry, payload } of records) {
    if (entry) yield { entry: decodeEntry(raw, padding), payload };
    padding = paddingAfter(payload?.size ?? 0);
  }
}

function contentOf({ size, sparse }: TarEntry, payload: SplitRecord['payload']): FileContent {
  return { size, ...(payload && { payload }), ...(sparse && { extents: sparse }) };
}
