import type { Digest } from '../digest.js';
import { aboutSubject, CasError, type ErrorCode } from '../errors.js';
import { consume } from '../ingest/consume.js';
import type { Ingest } from '../ingest/ingest.js';
import { stillWritten } from '../ingest/loan.js';
import type { Layer } from '../layers/layer.js';
import { descriptorSource, withBlob } from '../layers/layer-source.js';
import type { Registration } from '../layers/layers.js';
import type { Store } from '../store.js';

/** Refusals that tell of a place in the bytes of a layer. */
const LAYER_FAULTS: ReadonlySet<ErrorCode> = new Set(['LAYER_INVALID', 'LAYER_TOO_LARGE']);

/** How a push goes. */
export type Push = Omit<Registration, 'parent' | 'holder' | 'blob'>;

/**
 * Makes an ingest the next layer of a stack. A plain tar is gone then: the layer gives it back. One that was compressed
 * becomes a blob, since nothing else can give back those bytes.
 * @throws as Stacks.push; the ingest stays
 */
export function pushIngest(
  { stacks, ingests }: Store,
  name: string,
  ingest: Ingest,
  how: Push = {},
): Promise<Layer> {
  return consume(ingests, ingest, async (fd, size) => {
    if (ingest.content.file.isLent) throw stillWritten(ingest);
    const layer = await stacks.push(name, descriptorSource(fd, size), how);
    const digest = await ingest.digest('sha256');
    if (digest === layer.diff) return { result: layer };
    const undo = async (): Promise<void> => {
      if (stacks.get(name)?.top === layer.chain) await stacks.pop(name);
    };
    return { result: layer, blob: digest, undo };
  }).catch((error: unknown) => {
    throw named(error, ingest.ref);
  });
}

/**
 * Makes a blob the next layer of a stack; the blob stays.
 * @throws CasError BLOB_NOT_FOUND, and as Stacks.push
 */
export async function pushBlob(
  { stacks, blobs }: Store,
  name: string,
  digest: Digest,
  how: Push = {},
): Promise<Layer> {
  try {
    return await withBlob(blobs, digest, (source) => stacks.push(name, source, how));
  } catch (error) {
    throw named(error, digest);
  }
}

/** Says of what cannot be a layer what it is, beside where in it the fault lies. */
function named(error: unknown, name: string): unknown {
  return error instanceof CasError && LAYER_FAULTS.has(error.code) ? aboutSubject(error, name) : error;
}
