import type { Blobs } from '../blobs.js';
import { algorithmOf, type Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { close, fstat, read } from '../files.js';
import { createHasher } from '../hasher/engines.js';
import { DOCUMENT_LIMIT } from './manifest.js';

/**
 * All bytes of a manifest, an index or a config, and the digest that they have: `found` is another than that of the blob
 * where the disk has other bytes.
 * @throws CasError BLOB_NOT_FOUND; IMAGE_INVALID where it is too large
 */
export async function readDocument(
  blobs: Blobs,
  digest: Digest,
): Promise<{ readonly bytes: Buffer; readonly found: Digest }> {
  const fd = await blobs.open(digest);
  const hasher = await createHasher(algorithmOf(digest));
  try {
    const size = Number(fstat(fd).size);
    if (size > DOCUMENT_LIMIT)
      throw new CasError('IMAGE_INVALID', {
        subject: digest,
        expected: `at most ${DOCUMENT_LIMIT} bytes`,
        found: size,
      });
    const bytes = Buffer.allocUnsafe(size);
    await read(fd, bytes, 0);
    await hasher.update(bytes);
    return { bytes, found: hasher.digest() };
  } finally {
    hasher.dispose();
    await close(fd);
  }
}
