import { isCasError } from '../store/errors.js';
import type { Ingests } from '../store/ingest/ingests.js';
import { type Ref, refWithin } from '../store/ref.js';

/**
 * A ref for one more file that is written under a digest, in the directory of that digest. The first has the digest as
 * its name, others a number before it, which no user can choose: `2-<hex>` is neither a digest nor a temporary name.
 * What a crash left of an earlier attempt is removed, as nothing could resume it.
 */
export async function draftRef(
  ingests: Pick<Ingests, 'find' | 'remove'>,
  directory: string,
  hex: string,
): Promise<Ref> {
  for (let number = 1; ; number++) {
    const ref = refWithin(directory, number === 1 ? hex : `${number}-${hex}`);
    const left = await ingests.find(ref);
    if (left === undefined) return ref;
    if (left.inUse) continue;
    await ingests.remove(left).catch((error: unknown) => {
      if (!isCasError(error, 'INGEST_NOT_FOUND')) throw error;
    });
    return ref;
  }
}
