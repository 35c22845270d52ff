import type { Digest } from '../digest.js';
import { consume } from '../ingest/consume.js';
import type { Ingest } from '../ingest/ingest.js';
import type { Layer } from '../layers/layer.js';
import { descriptorSource, withBlob } from '../layers/layer-source.js';
import type { Registration } from '../layers/layers.js';
import type { Store } from '../store.js';

/** How a push goes. */
export type Push = Omit<Registration, 'parent' | 'holder'>;

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
    const layer = await stacks.push(name, descriptorSource(fd, size), how);
    const digest = await ingest.digest('sha256');
    return digest === layer.diff ? { result: layer } : { result: layer, blob: digest };
  });
}

/**
 * Makes a blob the next layer of a stack; the blob stays.
 * @throws CasError BLOB_NOT_FOUND, and as Stacks.push
 */
export function pushBlob(
  { stacks, blobs }: Store,
  name: string,
  digest: Digest,
  how: Push = {},
): Promise<Layer> {
  return withBlob(blobs, digest, (source) => stacks.push(name, source, how));
}
