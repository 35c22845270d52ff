import { checked } from '../checked.js';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import type { Reference } from '../images/manifest.js';
import { holdWhile } from '../layers/hold-while.js';
import type { Layer } from '../layers/layer.js';
import { withBlob } from '../layers/layer-source.js';
import { exportTar } from '../split/export.js';
import type { Store } from '../store.js';

/** What exports need of a store. */
export type ExportStore = Pick<Store, 'blobs' | 'layers' | 'images'>;

/** Whether the store can give what a descriptor leads to: a blob, or the tar of a layer. Call once layers are loaded. */
export function canGive({ blobs, layers }: ExportStore, { digest }: Reference): boolean {
  return blobs.stat(digest) !== undefined || layerOf({ layers }, digest) !== undefined;
}

/** A registered layer with a DiffID. Call once layers are loaded. */
export function layerOf({ layers }: Pick<Store, 'layers'>, diff: Digest): Layer | undefined {
  return layers.all().find((layer) => layer.diff === diff);
}

/** The tar of a registered layer, checked while it is read. */
export function layerBytes({ layers }: Pick<Store, 'layers'>, layer: Layer): AsyncGenerator<Buffer, void> {
  const tar = async (): Promise<AsyncIterable<Buffer>> => exportTar(await layers.tar(layer), layer.diff);
  return holdWhile(layers, layer, 'export', tar) as AsyncGenerator<Buffer, void>;
}

/** How the bytes of a blob are read. */
export interface Reading {
  readonly signal?: AbortSignal | undefined;
  /** A chunk is read into again when the next is asked for. */
  readonly again?: boolean;
}

/**
 * Gives the bytes of what a descriptor leads to to `use`; they are checked, and good only if no error came.
 * @throws CasError BLOB_DAMAGED, BLOB_NOT_FOUND, LAYER_DAMAGED; what `use` throws
 */
export async function withContent<T>(
  store: ExportStore,
  { digest, size }: Reference,
  use: (bytes: AsyncGenerator<Buffer, void>) => Promise<T>,
  { signal, again = false }: Reading = {},
): Promise<T> {
  const layer = store.blobs.stat(digest) ? undefined : layerOf(store, digest);
  if (layer) {
    checkSize(digest, size, layer.size);
    return use(layerBytes(store, layer));
  }
  return withBlob(store.blobs, digest, async ({ bytes, size: found = 0, recycle }) => {
    checkSize(digest, size, found);
    return use(checked(bytes, digest, { signal, recycle: again ? recycle : undefined }));
  });
}

function checkSize(digest: Digest, expected: number, found: number): void {
  if (expected !== found)
    throw new CasError('BLOB_DAMAGED', { subject: digest, expected: `${expected} bytes`, found });
}
