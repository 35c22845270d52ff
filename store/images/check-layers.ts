import type { Digest } from '../digest.js';
import { aboutSubject, CasError } from '../errors.js';
import type { Layers } from '../layers/layers.js';
import type { BlobDiffs } from './blob-diffs.js';
import type { Image, ImageLayer } from './image.js';
import type { Leading } from './image-maps.js';

interface Parts {
  readonly layers: Layers;
  readonly diffs: BlobDiffs;
  /** All images that have a chain. */
  readonly leading: (chain: Digest) => readonly Leading[];
}

/**
 * Settles once the tree of an image can be no other's: of each layer that is registered, or may come to be from the blob
 * of another image, it is known that the image's own blob is that layer. What is registered from that blob is looked at
 * then. Call after the layers are loaded.
 * @throws CasError DIGEST_MISMATCH where a blob is another layer than the config says; as {@link BlobDiffs.check}
 */
export async function checkLayers({ layers }: Image, parts: Parts, signal?: AbortSignal): Promise<void> {
  for (const [index, layer] of layers.entries()) {
    if (parts.diffs.known(layer) === true || !isOthers(layer, parts)) continue;
    await parts.diffs.check(layer, signal).catch((error: unknown) => {
      throw error instanceof CasError ? aboutSubject(error, `layer ${index + 1} of ${layers.length}`) : error;
    });
  }
}

function isOthers({ chain, blob }: ImageLayer, { layers, leading }: Parts): boolean {
  if (layers.get(chain) !== undefined) return true;
  const blobs = leading(chain).map(({ image, index }) => image.layers[index]?.blob.digest);
  return blobs.some((digest) => digest !== blob.digest);
}
