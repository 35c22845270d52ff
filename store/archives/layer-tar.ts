import { checked } from '../checked.js';
import { decompressed } from '../compression/decompressed.js';
import { formatOf, MAGIC_SIZE } from '../compression/format.js';
import { algorithmOf, type Digest } from '../digest.js';
import { CasError, isCasError } from '../errors.js';
import type { Reference } from '../images/manifest.js';
import { withBlob } from '../layers/layer-source.js';
import { type ExportStore, layerBytes, layerOf, withContent } from './exported-blob.js';
import { drain } from './incoming.js';

/** Where a tar goes. It is checked, and good only if no error came. */
type Use<Size> = (bytes: AsyncGenerator<Buffer, void>, size: Size) => Promise<void>;

/** A layer as a plain tar, whatever the store has of it. */
export interface LayerTar {
  /** Bytes; undefined where they can only be counted. */
  readonly size: number | undefined;
  /** Gives the tar to `use`, which must be done with a chunk when it asks for the next. */
  readonly give: (use: Use<number | undefined>) => Promise<void>;
  /** Begins to count its bytes. */
  readonly prepare?: () => Promise<unknown>;
  /** Gives the tar and its size to `use`. */
  readonly giveSized: (use: Use<number>) => Promise<void>;
}

/**
 * The tar of a layer: of one that is registered, of a plain blob, or of a compressed one. The size of the last stands
 * nowhere: who needs it before the bytes has it decompressed twice.
 * @throws CasError IMAGE_INVALID where it is not the layer that the configuration names; BLOB_DAMAGED, BLOB_NOT_FOUND
 */
export async function layerTar(
  store: ExportStore,
  blob: Reference,
  diff: Digest,
  signal?: AbortSignal,
): Promise<LayerTar> {
  const layer = layerOf(store, diff);
  if (layer) {
    const give: LayerTar['giveSized'] = (use) => use(layerBytes(store, layer), layer.size);
    return { size: layer.size, give, giveSized: give };
  }
  const { digest, size } = blob;
  const format = await withBlob(store.blobs, digest, async ({ bytes }) => {
    for await (const chunk of bytes) return formatOf(chunk.subarray(0, MAGIC_SIZE));
    return 'tar';
  });
  if (format !== 'tar') return compressed(store, digest, diff, signal);
  const same = digest === diff;
  if (!same && algorithmOf(digest) === 'sha256') {
    await requireSound(store, digest, signal);
    throw otherLayer(digest, diff, digest);
  }
  const give =
    (again: boolean): LayerTar['giveSized'] =>
    (use) =>
      withContent(store, blob, (bytes) => use(same ? bytes : checked(bytes, diff, { signal }), size), {
        signal,
        again,
      });
  return { size, give: give(true), giveSized: give(false) };
}

function compressed(store: ExportStore, digest: Digest, diff: Digest, signal?: AbortSignal): LayerTar {
  const wrong = (found: Digest): CasError => otherLayer(digest, diff, found);
  const give: LayerTar['give'] = (use) =>
    decompressing(store, digest, signal, (tar) => use(checked(tar, diff, { signal, wrong }), undefined));
  let counting: Promise<number> | undefined;
  const prepare = (): NonNullable<typeof counting> =>
    (counting ??= decompressing(store, digest, signal, sizeOf));
  return {
    size: undefined,
    give,
    prepare,
    giveSized: async (use) => {
      const size = await prepare();
      await give((bytes) => use(bytes, size));
    },
  };
}

async function sizeOf(bytes: AsyncIterable<Buffer>): Promise<number> {
  let size = 0;
  for await (const chunk of bytes) size += chunk.length;
  return size;
}

/** Gives what a compressed blob holds to `use`; its own bytes are checked. @throws CasError BLOB_DAMAGED, IMAGE_INVALID */
async function decompressing<T>(
  { blobs }: ExportStore,
  digest: Digest,
  signal: AbortSignal | undefined,
  use: (tar: AsyncGenerator<Buffer, void>) => Promise<T>,
): Promise<T> {
  try {
    return await withBlob(blobs, digest, async ({ bytes, recycle }) => {
      const { bytes: tar } = await decompressed(
        checked(bytes, digest, { signal, recycle }),
        signal && { signal },
      );
      return use(tar);
    });
  } catch (error) {
    if (!isCasError(error, 'LAYER_INVALID')) throw error;
    // A blob that has gone bad can rarely be decompressed; one that is as it was made never could be.
    await requireSound({ blobs }, digest, signal);
    throw new CasError('IMAGE_INVALID', { subject: digest, found: error.message, cause: error });
  }
}

/** @throws CasError BLOB_DAMAGED */
function requireSound(
  { blobs }: Pick<ExportStore, 'blobs'>,
  digest: Digest,
  signal?: AbortSignal,
): Promise<void> {
  return withBlob(blobs, digest, ({ bytes }) => drain(checked(bytes, digest, { signal })));
}

function otherLayer(digest: Digest, expected: Digest, found: Digest): CasError {
  return new CasError('IMAGE_INVALID', { subject: digest, expected, found });
}
