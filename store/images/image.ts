import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { chainOf, MAX_DEPTH } from '../layers/chain.js';
import type { Platform } from './descriptor.js';
import type { Documents } from './documents.js';
import { isImageConfig, type Manifest, type Reference } from './manifest.js';

/** A layer of an image as it is registered. */
export interface ImageLayer {
  readonly blob: Reference;
  readonly diff: Digest;
  readonly chain: Digest;
}

/** What a manifest leads to. */
export interface Image {
  readonly manifest: Reference;
  readonly config: Reference;
  /** Its layers as the manifest names them, the lowest first. */
  readonly blobs: readonly Reference[];
  /** What they become; none where it is no image, has no layers, or its config cannot be read. */
  readonly layers: readonly ImageLayer[];
  /** What it runs on, as its config says. */
  readonly platform?: Platform;
  /** Why its layers are not known, though it is an image. */
  readonly fault?: CasError;
}

/**
 * Reads a manifest and its config.
 * @throws CasError BLOB_NOT_FOUND, IMAGE_INVALID; the system's error
 */
export async function readImage(documents: Documents, manifest: Reference): Promise<Image> {
  const document = await documents.document(manifest);
  if (document.kind !== 'manifest')
    throw new CasError('IMAGE_INVALID', {
      subject: manifest.digest,
      expected: 'a manifest',
      found: 'an index',
    });
  const { config, layers: blobs } = document;
  const image = { manifest, config, blobs };
  if (!isImageConfig(config)) return { ...image, layers: [] };
  try {
    const { diffs, platform } = await documents.config(config);
    return { ...image, layers: layersOf(document, diffs), ...(platform && { platform }) };
  } catch (fault) {
    if (!(fault instanceof CasError)) throw fault;
    return { ...image, layers: [], fault };
  }
}

/** The layers of an image with their ChainIDs. @throws CasError IMAGE_INVALID where they are not as many as the DiffIDs */
function layersOf({ config, layers }: Manifest, diffs: readonly Digest[]): ImageLayer[] {
  if (layers.length !== diffs.length)
    throw new CasError('IMAGE_INVALID', {
      subject: config.digest,
      expected: `${layers.length} DiffIDs, one for each layer`,
      found: diffs.length,
    });
  if (layers.length > MAX_DEPTH)
    throw new CasError('IMAGE_INVALID', {
      subject: config.digest,
      expected: `at most ${MAX_DEPTH} layers`,
      found: layers.length,
    });
  let chain: Digest | undefined;
  return diffs.flatMap((diff, index) => {
    const blob = layers[index];
    chain = chainOf(chain, diff);
    return blob === undefined ? [] : [{ blob, diff, chain }];
  });
}
