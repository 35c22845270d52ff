import { algorithmOf, type Digest } from './digest.js';
import { CasError } from './errors.js';
import { createHasher } from './hasher/engines.js';

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
