import type { Blobs } from '../blobs.js';
import { algorithmOf, type Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { createHasher } from '../hasher/engines.js';
import { withBlob } from '../layers/layer-source.js';
import { ARCHIVE_LIMITS } from './archive-limits.js';

/**
 * Passes on the bytes of a blob while they are hashed; they must not change until the next are asked for. They are good
 * only if no error came.
 * @throws CasError BLOB_DAMAGED
 */
export async function* checked(
  bytes: AsyncIterable<Buffer>,
  digest: Digest,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void> {
  const hasher = await createHasher(algorithmOf(digest));
  let hashing: Promise<void> | undefined;
  try {
    for await (const chunk of bytes) {
      signal?.throwIfAborted();
      hashing = hasher.update(chunk);
      yield chunk;
      await hashing;
    }
    const found = hasher.digest();
    if (found !== digest) throw new CasError('BLOB_DAMAGED', { subject: digest, found });
  } finally {
    await hashing;
    hasher.dispose();
  }
}

/**
 * Reads a manifest, an index or a configuration.
 * @throws CasError BLOB_NOT_FOUND, BLOB_DAMAGED; IMAGE_INVALID where it is too large
 */
export function readDocument(blobs: Blobs, digest: Digest): Promise<Buffer> {
  return withBlob(blobs, digest, async ({ size = 0, bytes }) => {
    const { document } = ARCHIVE_LIMITS;
    if (size > document)
      throw new CasError('IMAGE_INVALID', {
        subject: digest,
        expected: `at most ${document} bytes`,
        found: size,
      });
    const chunks: Buffer[] = [];
    for await (const chunk of checked(bytes, digest)) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}
