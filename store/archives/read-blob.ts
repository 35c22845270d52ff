import type { Blobs } from '../blobs.js';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { readDocument as readBytes } from '../images/read-document.js';

/**
 * Reads a manifest, an index or a configuration.
 * @throws CasError BLOB_NOT_FOUND, BLOB_DAMAGED; IMAGE_INVALID where it is too large
 */
export async function readDocument(blobs: Blobs, digest: Digest): Promise<Buffer> {
  const { bytes, found } = await readBytes(blobs, digest);
  if (found !== digest) throw new CasError('BLOB_DAMAGED', { subject: digest, found });
  return bytes;
}
