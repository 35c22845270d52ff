import type { Blobs } from '../blobs.js';
import { algorithmOf, type Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { close, fstat, read } from '../files.js';
import { createHasher } from '../hasher/engines.js';
import { DOCUMENT_LIMIT } from './manifest.js';

/**
 * Reads a manifest, an index or a config.
 * @throws CasError BLOB_NOT_FOUND; BLOB_DAMAGED where the disk has other bytes; IMAGE_INVALID where it is too large
 */
export async function readDocument(blobs: Blobs, digest: Digest): Promise<Buffer> {
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
    const found = hasher.digest();
    if (found !== digest) throw new CasError('BLOB_DAMAGED', { subject: digest, found });
    return bytes;
  } finally {
    hasher.dispose();
    await close(fd);
  }
}
