import { randomBytes } from 'node:crypto';
import { promises } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../digest.js';
import { fsyncDirectory, mkdir } from '../files.js';
import type { Payloads } from '../payloads/payloads.js';
import type { PayloadWriter } from '../payloads/writer.js';
import { assembledFrom } from '../split/assembled-from.js';
import { verifyAssembled } from '../split/export.js';
import type { SplitRecord } from '../split/record.js';
import { createSplitFile, readSplitFile } from '../split/split-file.js';
import { SplitWriter } from '../split/writer.js';
import { openFileSystemSync } from '../sync-file-system.js';
import { addEntries, entriesIn } from './build-tree.js';
import type { Layer } from './layer.js';
import type { LayerIndex, LayerRows, WrittenSplit } from './layer-index.js';
import { type LayerRecord, splitPath, writeLayerRecord } from './layer-record.js';
import type { LayerSource } from './layer-source.js';
import type { LayerLimits } from './limits.js';
import { type Progress, type SplitLayer, splitTar } from './split-tar.js';

/** A layer that is on the disk, but not yet one of the store. */
export interface StagedLayer {
  readonly record: LayerRecord;
  readonly directory: string;
  readonly rows: LayerRows;
  /** Removes all of it, its directory by `clear` where that is given. */
  discard(clear?: (directory: string) => Promise<void>): Promise<void>;
}

interface Context {
  /** The directory in which layers are staged. */
  readonly staging: string;
  readonly index: LayerIndex;
  readonly limits: LayerLimits;
  readonly payloads: Payloads;
  readonly writer: PayloadWriter;
  /** Puts each tar together again before it is taken. */
  readonly verify: boolean;
}

/** Looks at a tar that was taken apart, and at its DiffID; what it throws ends the registration. */
export type TarCheck = (records: AsyncIterable<SplitRecord>, diff: Digest) => Promise<void>;

interface Staging {
  readonly number: number;
  readonly signal?: AbortSignal;
  readonly progress?: (progress: Progress) => void;
  readonly check?: TarCheck;
  readonly blob?: Digest;
}

/**
 * Takes a layer apart: its payloads go into a set of their own, the rest of its tar into a directory in `staging`, and
 * its tree is made. When it settles, all of that is on the disk. After an error nothing is left of it.
 */
export async function stageLayer(
  { staging, index, limits, payloads, writer, verify }: Context,
  source: LayerSource,
  parent: Layer | undefined,
  { number, signal, progress, check, blob }: Staging,
): Promise<StagedLayer> {
  const directory = join(staging, randomBytes(6).toString('hex'));
  const disk = await openFileSystemSync(staging);
  const remove = (path: string): Promise<void> => promises.rm(path, { recursive: true, force: true });
  const discard = async (clear = remove): Promise<void> => {
    await clear(directory);
    await writer.discard();
    await payloads.reader.forget(writer.set);
  };
  try {
    await mkdir(directory, 0o700);
    const builder = await index.builder(parent);
    const survey = builder.survey.bind(builder);
    const split = splitPath(directory);
    const { diff, found, written } = await writeSplit(split, (to) =>
      splitTar(source, { payloads: writer, split: to, survey, limits, signal, progress }),
    );
    const { set, rows, used } = await writer.finish();
    await check?.(readSplitFile(split), diff);
    // All that is large is written: it reaches the disk while the tree is made.
    const [tree] = await together(
      addEntries(builder, found ?? entriesIn(readSplitFile(split)), signal).then(() => builder.finish()),
      disk.sync(),
    );
    if (verify) await verifyAssembled(await assembledFrom(split, payloads.reader), diff);
    const { size, entries } = written.index;
    const uses = [...used];
    const record: LayerRecord = {
      diff,
      ...(parent && { parent: parent.chain }),
      number,
      size,
      entries,
      ...(set !== undefined && { set }),
      uses,
      createdAt: new Date(),
      ...(blob && { blob }),
    };
    await writeLayerRecord(directory, record);
    await fsyncDirectory(directory);
    return { record, directory, rows: { ...tree, payloads: rows, split, written }, discard };
  } catch (error) {
    await discard();
    throw error;
  } finally {
    await disk.close();
  }
}

/** Waits for both, also where one fails: then nothing is under way any more. */
async function together<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}

/** Bytes of chunks that are kept until they are rows: those of 300,000 entries. */
const MOST_KEPT = 8 << 20;

/** Writes the split file of a tar while it is taken apart. */
async function writeSplit(
  path: string,
  splitInto: (writer: SplitWriter) => Promise<SplitLayer>,
): Promise<SplitLayer & { written: WrittenSplit }> {
  const file = await createSplitFile(path);
  const kept: Buffer[] = [];
  let size = 0;
  try {
    const writer = new SplitWriter(async (chunk) => {
      size += chunk.bytes.length;
      if (size <= MOST_KEPT) kept.push(chunk.bytes);
      await file.add(chunk);
    });
    const split = await splitInto(writer);
    const index = await writer.finish();
    await file.finish(index);
    return { ...split, written: { index, ...(size <= MOST_KEPT && { chunks: kept }) } };
  } catch (error) {
    await file.close();
    throw error;
  }
}
