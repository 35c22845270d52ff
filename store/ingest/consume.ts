import type { Digest } from '../digest.js';
import { checkDigest, checkSize } from './check.js';
import type { Ingest } from './ingest.js';
import type { Ingests } from './ingests.js';
import { takeBack } from './loan.js';

/** What became of the bytes of an ingest. */
export interface Consumed<T> {
  readonly result: T;
  /** The digest of the blob that its file becomes; without one, it is removed. */
  readonly blob?: Digest;
  /** Takes the result back, where the file cannot become the blob. */
  readonly undo?: () => Promise<unknown>;
}

/**
 * Holds an ingest still while `use` reads its `size` bytes from `fd`, and then lets it go. Where that fails the ingest
 * stays as it was, resumable, and says why.
 * @throws CasError SIZE_MISMATCH, DIGEST_MISMATCH where it is not what was declared; what `use` throws
 */
export async function consume<T>(
  ingests: Ingests,
  ingest: Ingest,
  use: (fd: number, size: number) => Promise<Consumed<T>>,
): Promise<T> {
  await ingest.seal();
  let consumed: Consumed<T>;
  try {
    await takeBack(ingest);
    checkSize(ingest, ingest.record.total);
    await checkDigest(ingest, ingest.record.expected);
    consumed = await ingest.using(async () => use(await ingest.open(), ingest.size));
  } catch (error) {
    ingest.refused(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    ingest.unseal();
  }
  const { result, blob, undo } = consumed;
  // Who is told of a failure would do it again. What is left of the ingest can be removed like any other.
  if (blob === undefined) await ingests.remove(ingest).catch(() => undefined);
  else
    await ingests.commit(ingest, { digest: blob }).catch(async (error: unknown) => {
      await undo?.();
      throw error;
    });
  return result;
}
