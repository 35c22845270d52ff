import { isDigest, type Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { isPlainObject } from '../is-plain-object.js';
import type { Descriptor, Platform } from './descriptor.js';

/** The most bytes that a manifest, an index or a config may have: as containerd; the OCI specs ask for at least 4 MiB. */
export const DOCUMENT_LIMIT = 8 << 20;

const MANIFESTS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);
const INDEXES: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
const CONFIGS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

/** A descriptor whose digest is that of a blob that a store can have. */
export interface Reference extends Descriptor {
  readonly digest: Digest;
}

/** A manifest: a config and layers, the lowest first. */
export interface Manifest {
  readonly kind: 'manifest';
  readonly config: Reference;
  readonly layers: readonly Reference[];
}

/** An index of manifests, or a manifest list of Docker. */
export interface ManifestList {
  readonly kind: 'index';
  readonly manifests: readonly Reference[];
}

/** What a descriptor of index.json or of an index leads to. */
export type Document = Manifest | ManifestList;

/** What a media type says: `other` is nothing that has layers, undefined says nothing. */
export function kindOf({ mediaType }: Pick<Descriptor, 'mediaType'>): Document['kind'] | 'other' | undefined {
  if (mediaType === undefined || mediaType === '') return undefined;
  if (MANIFESTS.has(mediaType)) return 'manifest';
  return INDEXES.has(mediaType) ? 'index' : 'other';
}

/** Whether a config is that of an image, which has a root file system. */
export function isImageConfig({ mediaType }: Descriptor): boolean {
  return mediaType !== undefined && CONFIGS.has(mediaType);
}

/**
 * Reads a manifest or an index, of OCI or of Docker (schema 2).
 * @throws CasError IMAGE_INVALID
 */
export function parseDocument(bytes: Uint8Array, digest: Digest): Document {
  const value = parseObject(bytes, digest);
  const { schemaVersion, mediaType, config, layers, manifests } = value;
  if (schemaVersion !== 2)
    throw new CasError('IMAGE_INVALID', { subject: digest, expected: 'schemaVersion 2' });
  const isIndex = manifests !== undefined;
  // What could be read as either is read as neither (CVE-2021-41190).
  if (isIndex && (config !== undefined || layers !== undefined))
    throw new CasError('IMAGE_INVALID', { subject: digest, found: 'both manifests and layers' });
  const kind = isIndex ? 'index' : 'manifest';
  if (typeof mediaType === 'string') checkKind({ mediaType }, kind, digest);
  if (isIndex) return { kind: 'index', manifests: references(manifests, digest, 'manifests') };
  return {
    kind: 'manifest',
    config: reference(config, digest, 'config'),
    layers: references(layers, digest, 'layers'),
  };
}

/** Refuses what is not of the kind that a media type says. @throws CasError IMAGE_INVALID */
export function checkKind(
  described: Pick<Descriptor, 'mediaType'>,
  found: Document['kind'],
  subject: Digest,
): void {
  const expected = kindOf(described);
  if (expected !== undefined && expected !== found)
    throw new CasError('IMAGE_INVALID', { subject, expected: described.mediaType ?? expected, found });
}

/** @throws CasError IMAGE_INVALID where it is no JSON object in UTF-8 */
export function parseObject(bytes: Uint8Array, subject: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CasError('IMAGE_INVALID', { subject, expected: 'JSON', cause });
  }
  if (!isPlainObject(value)) throw new CasError('IMAGE_INVALID', { subject, expected: 'a JSON object' });
  return value;
}

/** The platform of a descriptor or of a config; undefined where it tells of none. */
export function platformIn(value: unknown): Platform | undefined {
  if (!isPlainObject(value)) return undefined;
  const { architecture, os, variant } = value;
  if (typeof architecture !== 'string' || typeof os !== 'string') return undefined;
  if (architecture === '' || os === '') return undefined;
  return { architecture, os, ...(typeof variant === 'string' && variant !== '' && { variant }) };
}

/** A descriptor with a digest of a kind that the store has, and a size. @throws CasError IMAGE_INVALID */
export function reference(value: unknown, subject: string, where: string): Reference {
  if (!isPlainObject(value))
    throw new CasError('IMAGE_INVALID', { subject, expected: `a descriptor in ${where}` });
  const { mediaType, digest, size, annotations, platform } = value;
  if (typeof digest !== 'string' || !isDigest(digest))
    throw new CasError('IMAGE_INVALID', {
      subject,
      expected: `digests of sha256, sha512 or blake3 in ${where}`,
    });
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw new CasError('IMAGE_INVALID', { subject, expected: `sizes in ${where}` });
  const known = platformIn(platform);
  return {
    ...(typeof mediaType === 'string' && { mediaType }),
    digest,
    size,
    ...(isPlainObject(annotations) && { annotations: annotations as Record<string, string> }),
    ...(known !== undefined && { platform: known }),
  };
}

/** Nobody reads those of descriptors within documents, and documents are kept. */
function withoutAnnotations({ mediaType, digest, size, platform }: Reference): Reference {
  return { ...(mediaType !== undefined && { mediaType }), digest, size, ...(platform && { platform }) };
}

/** Go writes an empty list as null. */
function references(value: unknown, subject: string, where: string): Reference[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new CasError('IMAGE_INVALID', { subject, expected: `a list of ${where}` });
  return value.map((one) => withoutAnnotations(reference(one, subject, where)));
}
