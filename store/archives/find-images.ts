import { type Digest, isDigest } from '../digest.js';
import { CasError } from '../errors.js';
import { type Descriptor, refNameOf } from '../images/descriptor.js';
import { parseDocument } from '../images/manifest.js';
import type { Store } from '../store.js';
import { dockerName } from './docker-name.js';
import { MEDIA_TYPES } from './media-types.js';
import { readDocument } from '../images/read-document.js';

/**
 * The entries of index.json that names stand for, each once: a reference name, Docker's short form of one, or the digest
 * of a manifest or an index of the store, whether index.json has it or not.
 * @throws CasError IMAGE_NOT_FOUND, IMAGE_INVALID; INDEX_DAMAGED
 */
export async function findImages(
  { images, blobs }: Pick<Store, 'images' | 'blobs'>,
  names: readonly string[],
): Promise<Descriptor[]> {
  await images.load();
  const { manifests } = images.current.index;
  const found = new Set<Descriptor>();
  for (const name of names) {
    const entries = entriesOf(manifests, name);
    for (const entry of entries) found.add(entry);
    if (entries.length > 0) continue;
    if (!isDigest(name) || !blobs.stat(name)) throw new CasError('IMAGE_NOT_FOUND', { subject: name });
    found.add(await described(blobs, name));
  }
  return [...found];
}

function entriesOf(manifests: readonly Descriptor[], name: string): readonly Descriptor[] {
  if (isDigest(name)) return [];
  const full = dockerName(name);
  const exact = manifests.filter((entry) => refNameOf(entry) === name);
  if (exact.length > 0) return exact;
  return manifests.filter((entry) => full !== undefined && dockerName(refNameOf(entry) ?? '') === full);
}

/** A descriptor without a name: who asks for a digest wants none. */
async function described(blobs: Store['blobs'], digest: Digest): Promise<Descriptor> {
  const text = await readDocument(blobs, digest);
  const { kind } = parseDocument(text, digest);
  const { mediaType } = JSON.parse(text.toString()) as { mediaType?: string };
  return { mediaType: mediaType ?? MEDIA_TYPES[kind], digest, size: text.length };
}
