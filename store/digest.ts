import { createHash } from 'node:crypto';
import { CasError } from './errors.js';

/** The registered algorithms of the OCI image specification, with the length of their digests in hex digits. */
export const HEX_LENGTH = { sha256: 64, sha512: 128, blake3: 64 } as const;

/** A digest algorithm, named as in the OCI image specification and in `blobs/<algorithm>/`. */
export type Algorithm = keyof typeof HEX_LENGTH;

/** All algorithms, in the order they are shown. */
export const ALGORITHMS = Object.keys(HEX_LENGTH) as Algorithm[];

declare const brand: unique symbol;

/** `<algorithm>:<hex>`, well-formed; made only by {@link parseDigest}, {@link digestOf} and {@link digestFromBytes}. */
export type Digest = string & { readonly [brand]: 'Digest' };

/** Whether `name` is one of the registered algorithms. */
export function isAlgorithm(name: string): name is Algorithm {
  return Object.hasOwn(HEX_LENGTH, name);
}

/** @throws CasError ALGORITHM_UNKNOWN */
export function parseAlgorithm(name: string): Algorithm {
  if (!isAlgorithm(name)) throw new CasError('ALGORITHM_UNKNOWN', { subject: name });
  return name;
}

/** Whether `hex` can be a digest of `algorithm`: right length, lower case (OCI image-spec, "Registered Algorithms"). */
export function isHexOf(algorithm: Algorithm, hex: string): boolean {
  return hex.length === HEX_LENGTH[algorithm] && /^[0-9a-f]+$/.test(hex);
}

/**
 * Joins an algorithm and the hex digits of a digest.
 * @throws CasError DIGEST_INVALID when the length, case or alphabet is wrong
 */
export function digestOf(algorithm: Algorithm, hex: string): Digest {
  if (!isHexOf(algorithm, hex)) {
    throw new CasError('DIGEST_INVALID', {
      subject: `${algorithm}:${hex}`,
      expected: `${HEX_LENGTH[algorithm]} lower-case hex digits`,
    });
  }
  return `${algorithm}:${hex}` as Digest;
}

/** A digest from its raw bytes, whose length must be the algorithm's. */
export function digestFromBytes(algorithm: Algorithm, bytes: Uint8Array): Digest {
  return digestOf(algorithm, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex'));
}

/**
 * Parses `<algorithm>:<hex>`.
 * @throws CasError ALGORITHM_UNKNOWN, DIGEST_INVALID
 */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(':');
  if (colon < 0) throw new CasError('DIGEST_INVALID', { subject: text, expected: '<algorithm>:<hex>' });
  return digestOf(parseAlgorithm(text.slice(0, colon)), text.slice(colon + 1));
}

/** The SHA-256 of what is in memory and small. */
export function sha256Of(text: string | Uint8Array): Digest {
  return digestFromBytes('sha256', createHash('sha256').update(text).digest());
}

/** Whether `text` is `<algorithm>:<hex>`, well-formed. */
export function isDigest(text: string): text is Digest {
  const algorithm = text.slice(0, Math.max(0, text.indexOf(':')));
  return isAlgorithm(algorithm) && isHexOf(algorithm, text.slice(algorithm.length + 1));
}

/** The algorithm of a digest. */
export function algorithmOf(digest: Digest): Algorithm {
  return digest.slice(0, digest.indexOf(':')) as Algorithm;
}

/** The hex digits of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}
