import { type Algorithm, type Digest, digestFromBytes } from '../digest.js';
import { CasError } from '../errors.js';
import type { Hasher } from './hasher.js';

/**
 * The largest input, in bytes, that is hashed at once. Handing a job to the thread pool costs the main thread
 * 6 to 15 µs, in which SHA-256 with SHA-NI (2.0 GB/s) hashes 12 to 30 KiB and SHA-512 (0.9 GB/s) 5 to 13 KiB;
 * handing one to the worker thread costs 10 to 28 µs, in which hash-wasm's BLAKE3 (0.85 GB/s) hashes 8 to 23 KiB.
 */
export const DIRECT_LIMIT = 16 * 1024;

/** How an engine computes one hash. Its methods never overlap. */
export interface HashCore {
  /** The most bytes that `absorbLater` takes at a time. */
  readonly pieceSize: number;
  /** Hashes `data` on this thread. */
  absorb(data: Uint8Array): void;
  /** Hashes `data` on another thread. */
  absorbLater(data: Uint8Array): Promise<void>;
  /** The raw digest of the bytes so far, without an effect on the state. */
  digest(): Uint8Array;
  /** The state after `length` bytes, which is what has been absorbed. */
  save(length: number): Uint8Array;
  /** Overwrites the state, which can hold a block of content. */
  wipe(): void;
}

/**
 * The {@link Hasher} of every engine. After a failure in `update` its state is unknown, so every later call
 * throws HASH_STATE_INVALID (EIO), as does every call after `dispose`.
 */
export class CoreHasher implements Hasher {
  readonly algorithm: Algorithm;
  readonly #core: HashCore;
  #length: number;
  #broken: CasError | undefined;
  #disposed = false;

  constructor(algorithm: Algorithm, core: HashCore, length: number) {
    this.algorithm = algorithm;
    this.#core = core;
    this.#length = length;
  }

  get length(): number {
    return this.#length;
  }

  update(data: Uint8Array): Promise<void> | undefined {
    this.#requireSound();
    if (data.length > DIRECT_LIMIT) return this.#updateLater(data);
    try {
      this.#core.absorb(data);
    } catch (cause) {
      throw this.#break(cause);
    }
    this.#length += data.length;
    return undefined;
  }

  digest(): Digest {
    this.#requireSound();
    return digestFromBytes(this.algorithm, this.#core.digest());
  }

  save(): Uint8Array {
    this.#requireSound();
    return this.#core.save(this.#length);
  }

  dispose(): void {
    this.#core.wipe();
    this.#disposed = true;
  }

  async #updateLater(data: Uint8Array): Promise<void> {
    const { pieceSize } = this.#core;
    try {
      for (let start = 0; start < data.length; start += pieceSize) {
        await this.#core.absorbLater(data.subarray(start, start + pieceSize));
      }
    } catch (cause) {
      throw this.#break(cause);
    }
    this.#length += data.length;
  }

  #requireSound(): void {
    if (this.#disposed) throw this.#break('disposed');
    if (this.#broken) throw this.#broken;
  }

  #break(cause: unknown): CasError {
    const subject = `${this.algorithm} after ${this.#length} bytes`;
    this.#broken = new CasError('HASH_STATE_INVALID', { subject, errno: 'EIO', cause });
    return this.#broken;
  }
}
