import { createHash } from 'node:crypto';
import { CasError } from '../errors.js';
import { SHA, type ShaAlgorithm, type ShaState, decodeLength, swapChain } from './go-state.js';

/** hash-wasm begins every image with four bytes of the SHA-1 of the WebAssembly binary that made it. */
const HEADER_SIZE = 4;

/** The headers of hash-wasm 4.13.0, whose images of SHA-2 are known here. */
const KNOWN_HEADER = { sha256: '8ed695a3', sha512: '922e1bd0' } as const;

/**
 * Writes an image of hash-wasm 4.13.0. After the header comes its C struct, little-endian: block buffer,
 * length in bytes (u64), chaining value, digest length (u32), four bytes of padding.
 * @param fresh - the image of a hash of nothing, from the hash-wasm in use
 * @throws CasError HASH_STATE_INVALID when `fresh` is of another release
 */
export function encodeShaImage(algorithm: ShaAlgorithm, state: ShaState, fresh: Uint8Array): Buffer {
  requireKnown(algorithm, fresh);
  const { block } = SHA[algorithm];
  const image = Buffer.from(fresh);
  image.set(state.tail, HEADER_SIZE);
  image.writeBigUInt64LE(BigInt(state.length), HEADER_SIZE + block);
  image.set(swapChain(algorithm, state.chain), HEADER_SIZE + block + 8);
  return image;
}

/**
 * Reads an image that was made after `length` bytes.
 * @throws CasError HASH_STATE_INVALID when it is of another release
 */
export function decodeShaImage(algorithm: ShaAlgorithm, image: Uint8Array, length: number): ShaState {
  requireKnown(algorithm, image);
  const { word, block } = SHA[algorithm];
  const chainStart = HEADER_SIZE + block + 8;
  return {
    chain: swapChain(algorithm, image.subarray(chainStart, chainStart + 8 * word)),
    tail: image.subarray(HEADER_SIZE, HEADER_SIZE + (length % block)),
    length,
  };
}

function requireKnown(algorithm: ShaAlgorithm, image: Uint8Array): void {
  const { word, block } = SHA[algorithm];
  const header = Buffer.from(image.subarray(0, HEADER_SIZE)).toString('hex');
  if (header !== KNOWN_HEADER[algorithm] || image.length !== HEADER_SIZE + block + 8 + 8 * word + 8) {
    throw new CasError('HASH_STATE_INVALID', {
      subject: `hash-wasm image of ${algorithm}`,
      expected: KNOWN_HEADER[algorithm],
      found: header,
    });
  }
}

/** `cas-b3`, a zero byte, and the version of the layout. */
const BLAKE3_MAGIC = Buffer.from('cas-b3\0\x01', 'latin1');
const CHECKSUM_SIZE = 32;

/** Writes a BLAKE3 state: magic and version, length (u64, big-endian), hash-wasm's image, SHA-256 of all that. */
export function encodeBlake3State(image: Uint8Array, length: number): Buffer {
  const lengthField = Buffer.alloc(8);
  lengthField.writeBigUInt64BE(BigInt(length));
  const body = Buffer.concat([BLAKE3_MAGIC, lengthField, image]);
  return Buffer.concat([body, checksum(body)]);
}

/**
 * Reads what {@link encodeBlake3State} wrote.
 * @param fresh - the image of a hash of nothing, from the hash-wasm in use
 * @throws CasError HASH_STATE_INVALID when it is damaged, or its image is of another release of hash-wasm
 */
export function decodeBlake3State(
  bytes: Uint8Array,
  fresh: Uint8Array,
): { readonly image: Buffer; readonly length: number } {
  const state = Buffer.from(bytes);
  const invalid = (expected: string): CasError =>
    new CasError('HASH_STATE_INVALID', { subject: 'blake3', expected });
  const body = state.subarray(0, -CHECKSUM_SIZE);
  const imageStart = BLAKE3_MAGIC.length + 8;
  if (state.length !== imageStart + fresh.length + CHECKSUM_SIZE) {
    throw invalid(`${imageStart + fresh.length + CHECKSUM_SIZE} bytes`);
  }
  if (!body.subarray(0, BLAKE3_MAGIC.length).equals(BLAKE3_MAGIC)) throw invalid('the magic of version 1');
  if (!state.subarray(-CHECKSUM_SIZE).equals(checksum(body))) throw invalid('a matching checksum');
  const image = body.subarray(imageStart);
  if (!image.subarray(0, HEADER_SIZE).equals(fresh.subarray(0, HEADER_SIZE))) {
    throw invalid('an image of this release of hash-wasm');
  }
  return { image, length: decodeLength('blake3', body, BLAKE3_MAGIC.length) };
}

function checksum(body: Uint8Array): Buffer {
  return createHash('sha256').update(body).digest();
}
