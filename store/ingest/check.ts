import { algorithmOf, type Digest } from '../digest.js';
import { CasError } from '../errors.js';
import type { Ingest } from './ingest.js';

/** @throws CasError SIZE_MISMATCH where a size is expected and the ingest has another */
export function checkSize({ ref, size }: Ingest, expected: number | undefined): void {
  if (expected === undefined || expected === size) return;
  throw new CasError('SIZE_MISMATCH', { subject: ref, expected, found: size });
}

/**
 * Call only while it is sealed.
 * @throws CasError DIGEST_MISMATCH where a digest is expected and the bytes have another
 */
export async function checkDigest(ingest: Ingest, expected: Digest | undefined): Promise<void> {
  if (expected === undefined) return;
  const found = await ingest.digest(algorithmOf(expected), expected);
  if (found !== expected) throw new CasError('DIGEST_MISMATCH', { subject: ingest.ref, expected, found });
}
