import { algorithmOf, type Digest, isDigest } from '../digest.js';
import { CasError } from '../errors.js';
import type { Platform } from './descriptor.js';
import { parseObject, platformIn } from './manifest.js';

/** What is needed of the config of an image. */
export interface ImageConfig {
  readonly kind: 'config';
  readonly platform: Platform | undefined;
  /** The DiffIDs of its layers, the lowest first. */
  readonly diffs: readonly Digest[];
}

/**
 * Reads the config of an image (OCI image-spec, "Image Configuration"; Docker's is the same as far as it is read).
 * @throws CasError IMAGE_INVALID
 */
export function parseConfig(bytes: Uint8Array, digest: Digest): ImageConfig {
  const value = parseObject(bytes, digest);
  return { kind: 'config', platform: platformIn(value), diffs: diffsIn(value['rootfs'], digest) };
}

function diffsIn(rootfs: unknown, subject: Digest): Digest[] {
  const { type, diff_ids: diffs } = (rootfs ?? {}) as Record<string, unknown>;
  if (type !== undefined && type !== 'layers')
    throw new CasError('IMAGE_INVALID', { subject, expected: 'rootfs.type "layers"' });
  if (diffs === undefined || diffs === null) return [];
  const isDiff = (value: unknown): value is Digest =>
    typeof value === 'string' && isDigest(value) && algorithmOf(value) === 'sha256';
  if (!Array.isArray(diffs) || !diffs.every(isDiff))
    throw new CasError('IMAGE_INVALID', { subject, expected: 'DiffIDs of sha256 in rootfs.diff_ids' });
  return diffs;
}
