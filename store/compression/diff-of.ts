import type { Digest } from '../digest.js';
import { createHasher } from '../hasher/engines.js';
import { decompressed } from './decompressed.js';
import type { Format } from './format.js';

/** What the bytes of a layer are uncompressed. */
export interface Uncompressed {
  readonly format: Format;
  /** Their digest; undefined where they are not compressed, unless it was asked for. */
  readonly diff: Digest | undefined;
  readonly size: number;
}

/**
 * Reads a layer to its end, and finds out what it is uncompressed.
 * @param plain whether bytes are hashed that are not compressed, too; they must not change until the next have come
 * @throws CasError LAYER_INVALID where it is compressed and cannot be decompressed; the signal's reason
 */
export async function diffOf(
  bytes: AsyncIterable<Buffer>,
  signal?: AbortSignal,
  plain = false,
): Promise<Uncompressed> {
  const { format, bytes: tar } = await decompressed(bytes, signal && { signal });
  const hasher = format === 'tar' && !plain ? undefined : await createHasher('sha256');
  let size = 0;
  let hashing: Promise<void> | undefined;
  try {
    for await (const chunk of tar) {
      size += chunk.length;
      // What is decompressed is ours: the next chunk is made while this one is hashed.
      await hashing;
      hashing = hasher?.update(chunk);
    }
    await hashing;
    return { format, diff: hasher?.digest(), size };
  } finally {
    await hashing;
    hasher?.dispose();
  }
}
