import { checked } from '../checked.js';
import { decompressed } from '../compression/decompressed.js';
import { diffOf } from '../compression/diff-of.js';
import { formatOf, MAGIC_SIZE } from '../compression/format.js';
import { algorithmOf, type Digest } from '../digest.js';
import { CasError, isCasError } from '../errors.js';
import type { Reference } from '../images/manifest.js';
import { withBlob } from '../layers/layer-source.js';
import { type ExportStore, layerBytes, layerOf, withContent } from './exported-blob.js';
import { drain } from './incoming.js';

/** A layer as a plain tar, whatever the store has of it. */
export interface LayerTar {
  /** Bytes; undefined where they can only be counted. */
  readonly size: number | undefined;
  /** Begins to count them. */
  readonly prepare?: () => Promise<unknown>;
  /** Gives the tar and its size to `use`. It is checked, and good only if no error came. */
  readonly give: (use: (bytes: AsyncGenerator<Buffer, void>, size: number) => Promise<void>) => Promise<void>;
}

/**
 * The tar of a layer: of one that is registered, of a plain blob, or of a compressed one. The size of the last stands
 * nowhere, and in a tar it comes before the bytes: so it is decompressed twice.
 * @throws CasError IMAGE_INVALID where it is not the layer that the configuration names; BLOB_DAMAGED, BLOB_NOT_FOUND
 */
export async function layerTar(
  store: ExportStore,
  blob: Reference,
  diff: Digest,
  signal?: AbortSignal,
): Promise<LayerTar> {
  const { blobs } = store;
  const { digest, size } = blob;
  const layer = layerOf(store, diff);
  if (layer) return { size: layer.size, give: (use) => use(layerBytes(store, layer), layer.size) };
  const format = await withBlob(blobs, digest, async ({ bytes }) => {
    for await (const chunk of bytes) return formatOf(chunk.subarray(0, MAGIC_SIZE));
    return 'tar';
  });
  if (format === 'tar') {
    const same = digest === diff;
    if (!same && algorithmOf(digest) === 'sha256') {
      await requireSound(store, digest, signal);
      throw otherLayer(digest, diff, digest);
    }
    return {
      size,
      give: (use) =>
        withContent(store, blob, (bytes) => use(same ? bytes : checked(bytes, diff, signal), size), signal),
    };
  }
  let counting: Promise<{ size: number; diff: Digest }> | undefined;
  const prepare = (): typeof counting & object => (counting ??= measured(store, digest, signal));
  return {
    size: undefined,
    prepare,
    give: async (use) => {
      const found = await prepare();
      if (found.diff !== diff) throw otherLayer(digest, diff, found.diff);
      await withBlob(blobs, digest, async ({ bytes }) => {
        const { bytes: tar } = await decompressed(bytes, signal && { signal });
        await use(checked(tar, diff, signal), found.size);
      });
    },
  };
}

/** The size and the DiffID of a compressed blob. @throws CasError BLOB_DAMAGED, IMAGE_INVALID */
async function measured(
  store: ExportStore,
  digest: Digest,
  signal?: AbortSignal,
): Promise<{ size: number; diff: Digest }> {
  try {
    const { size, diff } = await withBlob(store.blobs, digest, ({ bytes }) =>
      diffOf(checked(bytes, digest, signal), signal),
    );
    return { size, diff: diff ?? digest };
  } catch (error) {
    if (!isCasError(error, 'LAYER_INVALID')) throw error;
    // A blob that has gone bad can rarely be decompressed; one that is as it was made never could be.
    await requireSound(store, digest, signal);
    throw new CasError('IMAGE_INVALID', { subject: digest, found: error.message, cause: error });
  }
}

/** @throws CasError BLOB_DAMAGED */
function requireSound({ blobs }: ExportStore, digest: Digest, signal?: AbortSignal): Promise<void> {
  return withBlob(blobs, digest, ({ bytes }) => drain(checked(bytes, digest, signal)));
}

function otherLayer(digest: Digest, expected: Digest, found: Digest): CasError {
  return new CasError('IMAGE_INVALID', { subject: digest, expected, found });
}
