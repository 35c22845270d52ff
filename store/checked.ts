import { algorithmOf, type Digest } from './digest.js';
import { CasError } from './errors.js';
import { createHasher } from './hasher/engines.js';

/** How bytes are passed on. */
export interface Checking {
  readonly signal?: AbortSignal | undefined;
  /** Is given each chunk when the next is asked for: whoever reads must be done with it then. */
  readonly recycle?: ((chunk: Buffer) => void) | undefined;
  /** The error for other bytes; BLOB_DAMAGED by default. */
  readonly wrong?: (found: Digest) => CasError;
}

/**
 * Passes on the bytes of a blob while they are hashed; they must not change until the next are asked for. They are good
 * only if no error came.
 * @throws CasError BLOB_DAMAGED
 */
export async function* checked(
  bytes: AsyncIterable<Buffer>,
  digest: Digest,
  { signal, recycle, wrong }: Checking = {},
): AsyncGenerator<Buffer, void> {
  const hasher = await createHasher(algorithmOf(digest));
  let hashing: Promise<void> | undefined;
  try {
    for await (const chunk of bytes) {
      signal?.throwIfAborted();
      hashing = hasher.update(chunk);
      yield chunk;
      await hashing;
      recycle?.(chunk);
    }
    const found = hasher.digest();
    if (found !== digest) throw wrong?.(found) ?? new CasError('BLOB_DAMAGED', { subject: digest, found });
  } finally {
    await hashing;
    hasher.dispose();
  }
}
