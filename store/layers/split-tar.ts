import { decompressed } from '../compression/decompressed.js';
import type { Digest } from '../digest.js';
import { createHasher } from '../hasher/engines.js';
import type { PayloadWriter } from '../payloads/writer.js';
import type { SplitWriter } from '../split/writer.js';
import type { TarEntry } from '../tar/entry.js';
import { TarFramer } from '../tar/framer.js';
import type { FoundEntry } from './build-tree.js';
import type { LayerLimits } from './limits.js';
import type { LayerSource } from './layer-source.js';
import { Splitter } from './splitter.js';

/** How far a registration is. */
export interface Progress {
  /** Bytes of the source that were read, and how many they are in all, where that is known. */
  readonly bytes: number;
  readonly total: number | undefined;
  /** Entries of the tar so far. */
  readonly entries: number;
}

/** Where the parts of a tar go. */
export interface Destination {
  readonly payloads: PayloadWriter;
  readonly split: SplitWriter;
  readonly limits: LayerLimits;
  /** Is shown each entry. */
  readonly survey: (entry: TarEntry) => void;
  readonly signal: AbortSignal | undefined;
  readonly progress: ((progress: Progress) => void) | undefined;
}

/** A tar that was taken apart. */
export interface SplitLayer {
  readonly diff: Digest;
  readonly found: FoundEntry[] | undefined;
}

/**
 * Decompresses, hashes and takes apart a layer in one pass and in bounded memory.
 * @returns its DiffID, and its entries where they were kept
 * @throws CasError LAYER_INVALID, LAYER_TOO_LARGE
 */
export async function splitTar(source: LayerSource, to: Destination): Promise<SplitLayer> {
  const { payloads, split, survey, limits, signal } = to;
  const splitter = new Splitter(payloads, survey);
  const framer = new TarFramer(splitter, { entries: limits.entries });
  const hasher = await createHasher('sha256');
  let hashing: Promise<unknown> | undefined;
  try {
    const { format, bytes } = await decompressed(counted(source, to, splitter), {
      maxSize: limits.size,
      ...(signal && { signal }),
    });
    for await (const chunk of bytes) {
      const hashed = hasher.update(chunk);
      hashing = hashed?.catch(() => undefined);
      framer.push(chunk);
      await payloads.drain();
      await write(splitter, split);
      await hashed;
      if (format === 'tar') source.recycle?.(chunk);
    }
    framer.end();
    splitter.end();
    await payloads.settle();
    await write(splitter, split);
    return { diff: hasher.digest(), found: splitter.found };
  } finally {
    await hashing;
    hasher.dispose();
  }
}

async function write(splitter: Splitter, split: SplitWriter): Promise<void> {
  for (const record of splitter.take()) await split.add(record);
}

async function* counted(
  { size: total, bytes }: LayerSource,
  { progress }: Destination,
  splitter: Splitter,
): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const chunk of bytes) {
    yield chunk;
    read += chunk.length;
    progress?.({ bytes: read, total, entries: splitter.entries });
  }
}
