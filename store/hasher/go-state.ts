import type { Algorithm } from '../digest.js';
import { CasError } from '../errors.js';

/** The algorithms whose states Go's standard library can save. */
export type ShaAlgorithm = Exclude<Algorithm, 'blake3'>;

/** Sizes in bytes of a word of the chaining value and of a block (FIPS 180-4, figure 1). */
export const SHA = {
  sha256: { word: 4, block: 64, magic: Buffer.from('sha\x03', 'latin1') },
  sha512: { word: 8, block: 128, magic: Buffer.from('sha\x07', 'latin1') },
} as const satisfies Record<ShaAlgorithm, object>;

/** What a SHA-2 hash is between two updates. */
export interface ShaState {
  /** The chaining value: eight words, big-endian. */
  readonly chain: Uint8Array;
  /** The bytes since the last whole block: `length` modulo the block size of them. */
  readonly tail: Uint8Array;
  /** Bytes hashed so far. */
  readonly length: number;
}

/**
 * Writes a state as Go's crypto/sha256 and crypto/sha512 marshal theirs: magic, chaining value, block buffer
 * padded with zeros, length as a big-endian u64; 108 or 204 bytes.
 */
export function encodeGoState(algorithm: ShaAlgorithm, state: ShaState): Buffer {
  const { word, block, magic } = SHA[algorithm];
  const bytes = Buffer.alloc(magic.length + 8 * word + block + 8);
  bytes.set(magic);
  bytes.set(state.chain, magic.length);
  bytes.set(state.tail, magic.length + 8 * word);
  bytes.writeBigUInt64BE(BigInt(state.length), bytes.length - 8);
  return bytes;
}

/**
 * Reads what {@link encodeGoState} or Go wrote. The block buffer past the tail may hold anything.
 * @throws CasError HASH_STATE_INVALID when size or magic are not the algorithm's (sha224, sha384, sha512/256
 * have others), or the length is beyond 2^53 - 1
 */
export function decodeGoState(algorithm: ShaAlgorithm, bytes: Uint8Array): ShaState {
  const { word, block, magic } = SHA[algorithm];
  const size = magic.length + 8 * word + block + 8;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.length !== size) {
    throw new CasError('HASH_STATE_INVALID', {
      subject: algorithm,
      expected: `${size} bytes`,
      found: view.length,
    });
  }
  const found = view.subarray(0, magic.length);
  if (!found.equals(magic)) {
    throw new CasError('HASH_STATE_INVALID', {
      subject: algorithm,
      expected: `magic ${magic.toString('hex')}`,
      found: found.toString('hex'),
    });
  }
  const length = decodeLength(algorithm, view, size - 8);
  const tailStart = magic.length + 8 * word;
  return {
    chain: view.subarray(magic.length, tailStart),
    tail: view.subarray(tailStart, tailStart + (length % block)),
    length,
  };
}

/**
 * Reads a length in bytes, a big-endian u64 at `offset`.
 * @throws CasError HASH_STATE_INVALID when it is beyond 2^53 - 1
 */
export function decodeLength(algorithm: Algorithm, bytes: Buffer, offset: number): number {
  const length = bytes.readBigUInt64BE(offset);
  if (length > Number.MAX_SAFE_INTEGER) {
    throw new CasError('HASH_STATE_INVALID', {
      subject: algorithm,
      expected: `at most ${Number.MAX_SAFE_INTEGER} bytes hashed`,
      found: length,
    });
  }
  return Number(length);
}

/** Turns eight big-endian words into little-endian ones, or back, in a copy. */
export function swapChain(algorithm: ShaAlgorithm, chain: Uint8Array): Buffer {
  const copy = Buffer.from(chain);
  return algorithm === 'sha256' ? copy.swap32() : copy.swap64();
}
