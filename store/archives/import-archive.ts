import type { Descriptor } from '../images/descriptor.js';
import { INDEX_JSON, OCI_LAYOUT } from '../images/index-file.js';
import { parseIndex } from '../images/index-json.js';
import type { Reference } from '../images/manifest.js';
import type { LayerSource } from '../layers/layer-source.js';
import type { Store } from '../store.js';
import { type Content, readArchive } from './contents.js';
import { dockerImages, MANIFEST_JSON } from './docker-archive.js';
import { incomplete } from './image-parts.js';
import { importImages, type ImportedImage, type ImportOptions } from './import-images.js';
import type { Incoming } from './incoming.js';
import type { Names } from './names.js';
import { type Check, checkImages, noLayout, withFullName } from './oci-archive.js';
import { readDocument } from '../images/read-document.js';

/**
 * Takes in the images of a docker-archive or an oci-archive, plain, gzip or zstd, in one pass over its bytes.
 * See {@link importImages} for what holds when it fails.
 * @throws CasError ARCHIVE_INVALID, ARCHIVE_TOO_LARGE, DIGEST_MISMATCH, IMAGE_INCOMPLETE, IMAGE_INVALID,
 *   IMAGE_NAME_INVALID; the system's own errors
 */
export function importArchive(
  store: Store,
  source: LayerSource,
  options: ImportOptions = {},
): Promise<ImportedImage[]> {
  const { signal } = options;
  return importImages(store, options, async (incoming) => {
    const [counted, onFile] = withCount(source, options.progress);
    const files = await readArchive(counted, incoming, onFile, signal);
    await incoming.settled();
    // Newer archives of Docker are both; their index has the manifests as they were pulled.
    if (files.has(INDEX_JSON) && files.has(OCI_LAYOUT)) return ociImages(store, files, incoming, options);
    if (files.has(MANIFEST_JSON)) return dockerImages(store, files, incoming, signal);
    throw noLayout(files.has(INDEX_JSON) ? 'index.json alone' : 'neither');
  });
}

async function ociImages(
  { blobs }: Pick<Store, 'blobs'>,
  files: Names<Content>,
  incoming: Incoming,
  check: Check,
): Promise<Descriptor[]> {
  const index = files.get(INDEX_JSON);
  if (index?.kind !== 'document') throw noLayout('no index.json');
  const { manifests } = parseIndex(index.text, INDEX_JSON);
  const isThere = ({ digest, size }: Reference): boolean => incoming.has(digest, size);
  await checkImages(
    manifests,
    { all: check.all, signal: check.signal },
    async (descriptor) => (isThere(descriptor) ? readDocument(blobs, descriptor.digest) : undefined),
    async (needed) => {
      const missing = needed.find((descriptor) => !isThere(descriptor));
      if (missing) throw incomplete(missing);
      return Promise.resolve();
    },
  );
  return manifests.map(withFullName);
}

/** A source that tells how much of it was read, and what is to be called at each file. */
function withCount(
  { size: total, bytes, ...source }: LayerSource,
  progress: ImportOptions['progress'],
): [LayerSource, () => void] {
  let [read, entries] = [0, 0];
  const tell = (): void => progress?.({ bytes: read, total, entries });
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of bytes) {
      const { length } = chunk;
      yield chunk;
      read += length;
      tell();
    }
  }
  const onFile = (): void => {
    entries++;
    tell();
  };
  return [{ ...source, size: total, bytes: counted() }, onFile];
}
