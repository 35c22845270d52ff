import { CasError } from '../errors.js';
import { isPlainObject } from '../is-plain-object.js';
import type { Descriptor } from './descriptor.js';

/** An OCI image index; what else it has is kept as it is. */
export interface ImageIndexJson {
  readonly schemaVersion: 2;
  readonly manifests: readonly Descriptor[];
  readonly [key: string]: unknown;
}

/** How many bytes an index.json may have: some 50,000 entries. */
export const MAX_INDEX = 16 << 20;

/** That of a layout without images. */
export const EMPTY_INDEX: ImageIndexJson = { schemaVersion: 2, manifests: [] };

/**
 * Parses the text of an image index, checking of it what is relied on.
 * @param subject what it is called in errors
 * @throws CasError INDEX_INVALID, saying where it is wrong
 */
export function parseIndex(bytes: Uint8Array, subject: string): ImageIndexJson {
  const invalid = (found: string): CasError =>
    new CasError('INDEX_INVALID', { subject, expected: 'an OCI image index', found });
  if (bytes.length === 0) throw invalid('an empty file');
  if (bytes.length > MAX_INDEX) throw invalid(`${bytes.length} bytes, more than ${MAX_INDEX}`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
  if (!isPlainObject(value)) throw invalid('no JSON object');
  if (value['schemaVersion'] !== 2) throw invalid('another schemaVersion');
  // A Go program writes a list without entries as null.
  const manifests: unknown = value['manifests'] ?? [];
  if (!Array.isArray(manifests)) throw invalid('manifests that are no list');
  const wrong = manifests.findIndex((entry) => !isDescriptor(entry));
  if (wrong >= 0) throw invalid(`manifests[${wrong}], which is no descriptor`);
  return { ...value, schemaVersion: 2, manifests: manifests as Descriptor[] };
}

/** The text of an image index. */
export function indexText(index: ImageIndexJson): Buffer {
  return Buffer.from(JSON.stringify(index));
}

/** `<algorithm>:<encoded>` of the OCI image-spec. */
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** Whether a value has what every descriptor must have, and the rest with the right types. */
export function isDescriptor(value: unknown): value is Descriptor {
  if (!isPlainObject(value)) return false;
  const { digest, size, mediaType, annotations, platform } = value;
  return (
    typeof digest === 'string' &&
    DIGEST.test(digest) &&
    Number.isSafeInteger(size) &&
    (size as number) >= 0 &&
    (mediaType === undefined || typeof mediaType === 'string') &&
    (annotations === undefined || annotations === null || areTexts(annotations)) &&
    (platform === undefined || platform === null || isPlainObject(platform))
  );
}

function areTexts(value: unknown): boolean {
  return isPlainObject(value) && Object.values(value).every((text) => typeof text === 'string');
}
