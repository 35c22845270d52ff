import { type Algorithm, type Digest, digestOf } from '../digest.js';
import type { HashEngine, Hasher } from './hasher.js';
import { opensslEngine } from './openssl.js';
import { wasmEngine } from './wasm.js';

/**
 * The engine for `algorithm`: openssl where it has the algorithm (six times as fast), hash-wasm otherwise.
 * `preferred` is followed where it can be.
 */
export function engineFor(algorithm: Algorithm, preferred: HashEngine['name'] | 'auto' = 'auto'): HashEngine {
  return preferred !== 'hash-wasm' && opensslEngine.supports(algorithm) ? opensslEngine : wasmEngine;
}

/**
 * A hasher for `algorithm`, fresh or continuing from a saved `state`, by the engine that suits it best.
 * @throws CasError HASH_STATE_INVALID when the state is damaged or of another algorithm
 */
export function createHasher(algorithm: Algorithm, state?: Uint8Array): Promise<Hasher> {
  return engineFor(algorithm).create(algorithm, state);
}

const EMPTY = {
  sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  sha512:
    'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce' +
    '47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
  blake3: 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
} as const;

/** The digest of no bytes at all. */
export function emptyDigest(algorithm: Algorithm): Digest {
  return digestOf(algorithm, EMPTY[algorithm]);
}
