import type { Blobs } from './blobs.js';
import type { Digest } from './digest.js';

/**
 * Gives the verified file `from`, of `size` bytes, the name of a blob, never over another file; `keep`: as a second name.
 * What stands there has the same bytes, unless it has another size: then it was damaged from outside and is replaced.
 * @returns whether the file is the blob now
 */
export async function placeBlob(
  blobs: Blobs,
  digest: Digest,
  { from, size, keep }: { from: string; size: number; keep: boolean },
): Promise<boolean> {
  if (await blobs.place(from, digest, keep)) return true;
  const there = blobs.stat(digest);
  if (there !== undefined && Number(there.size) === size) return false;
  await blobs.replace(from, digest);
  return true;
}
