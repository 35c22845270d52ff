import type { Algorithm, Digest } from '../digest.js';

/** An incremental digest whose state can be saved and restored. Calls must not overlap. */
export interface Hasher {
  readonly algorithm: Algorithm;
  /** Bytes hashed so far. */
  readonly length: number;
  /**
   * Hashes `data`. Small inputs are hashed at once and return nothing; larger ones are hashed off the main
   * thread. `data` must stay unchanged until the promise resolves.
   */
  update(data: Uint8Array): Promise<void> | undefined;
  /** The digest of the bytes so far; hashing may go on afterwards. */
  digest(): Digest;
  /**
   * The state after `length` bytes. sha256 and sha512 use the layout of Go's `encoding.BinaryMarshaler`
   * (crypto/sha256, crypto/sha512), as the Docker registry stores them; blake3 an own, versioned layout.
   */
  save(): Uint8Array;
  /** Frees what the hasher holds. It must not be used afterwards. */
  dispose(): void;
}

/** Something that can make hashers. */
export interface HashEngine {
  readonly name: 'openssl' | 'hash-wasm';
  supports(algorithm: Algorithm): boolean;
  /**
   * A hasher for `algorithm`, fresh or continuing from a saved `state`.
   * @throws CasError HASH_STATE_INVALID when the state is damaged or of another algorithm
   */
  create(algorithm: Algorithm, state?: Uint8Array): Promise<Hasher>;
}
