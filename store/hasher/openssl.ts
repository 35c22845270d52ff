import { availableParallelism, endianness } from 'node:os';
import type { Algorithm } from '../digest.js';
import { CasError } from '../errors.js';
import { bind, type NativeFunction } from '../libc.js';
import { CoreHasher, type HashCore } from './core.js';
import {
  SHA,
  type ShaAlgorithm,
  type ShaState,
  decodeGoState,
  encodeGoState,
  swapChain,
} from './go-state.js';
import type { HashEngine, Hasher } from './hasher.js';
import { limiter } from './limiter.js';

/** Bytes per pool job: 2 ms of SHA-256, 5 ms of SHA-512, after which others get their turn on the pool. */
const PIECE_SIZE = 4 * 1024 * 1024;

/**
 * Hashing never takes more than three threads of the pool, which has four unless told otherwise, so that file
 * system calls need not wait for it. It also keeps clear of koffi's limit of 256 calls under way.
 */
const inPool = limiter(Math.min(availableParallelism(), 3));

interface ShaFunctions {
  readonly init: NativeFunction;
  readonly update: NativeFunction;
  readonly final: NativeFunction;
}

const functions = { sha256: bindSha('sha256'), sha512: bindSha('sha512') } as const;

/** SHA256_* and SHA512_* of the OpenSSL that is linked into this process, on plain context structs. */
export const opensslEngine: HashEngine = {
  name: 'openssl',
  supports: (algorithm) => algorithm !== 'blake3' && functions[algorithm] !== undefined,
  create: (algorithm, state) => new Promise((resolve) => resolve(createOpenssl(algorithm, state))),
};

function createOpenssl(algorithm: Algorithm, saved?: Uint8Array): Hasher {
  const sha = algorithm === 'blake3' ? undefined : functions[algorithm];
  if (algorithm === 'blake3' || !sha)
    throw new CasError('ALGORITHM_UNKNOWN', { subject: `openssl ${algorithm}` });
  if (!saved) {
    const context = Buffer.alloc(contextSize(algorithm));
    succeed(sha.init(context));
    return new CoreHasher(algorithm, new OpensslCore(algorithm, sha, context), 0);
  }
  const state = decodeGoState(algorithm, saved);
  return new CoreHasher(
    algorithm,
    new OpensslCore(algorithm, sha, encodeContext(algorithm, state)),
    state.length,
  );
}

class OpensslCore implements HashCore {
  readonly pieceSize = PIECE_SIZE;
  readonly #algorithm: ShaAlgorithm;
  readonly #functions: ShaFunctions;
  readonly #context: Buffer;

  constructor(algorithm: ShaAlgorithm, functions: ShaFunctions, context: Buffer) {
    this.#algorithm = algorithm;
    this.#functions = functions;
    this.#context = context;
  }

  absorb(data: Uint8Array): void {
    succeed(this.#functions.update(this.#context, data, data.length));
  }

  async absorbLater(data: Uint8Array): Promise<void> {
    succeed(await inPool(() => this.#functions.update.later(this.#context, data, data.length)));
  }

  digest(): Uint8Array {
    const digest = Buffer.alloc(8 * SHA[this.#algorithm].word);
    // SHA*_Final consumes the context it is given.
    succeed(this.#functions.final(digest, Buffer.from(this.#context)));
    return digest;
  }

  save(length: number): Uint8Array {
    return encodeGoState(this.#algorithm, decodeContext(this.#algorithm, this.#context, length));
  }

  wipe(): void {
    this.#context.fill(0);
  }
}

/** SHA*_Init, _Update and _Final return 1 for success. */
function succeed(result: number): void {
  if (result !== 1) throw new Error(`OpenSSL refused to hash: result ${result}`);
}

/** The functions, unless this process lacks them or their context struct is not the one described here. */
function bindSha(algorithm: ShaAlgorithm): ShaFunctions | undefined {
  const name = algorithm.toUpperCase();
  try {
    const sha = {
      init: bind(`int ${name}_Init(void *context)`),
      update: bind(`int ${name}_Update(void *context, const void *data, size_t length)`),
      final: bind(`int ${name}_Final(void *digest, void *context)`),
    };
    return hasKnownContext(algorithm, sha) ? sha : undefined;
  } catch {
    return undefined;
  }
}

function hasKnownContext(algorithm: ShaAlgorithm, sha: ShaFunctions): boolean {
  if (endianness() !== 'LE') return false;
  const size = contextSize(algorithm);
  const probe = Buffer.alloc(4 * size);
  const data = Buffer.from('abc');
  succeed(sha.init(probe));
  succeed(sha.update(probe, data, data.length));
  const context = encodeContext(algorithm, decodeContext(algorithm, probe, data.length));
  return probe.subarray(0, size).equals(context) && probe.subarray(size).every((byte) => byte === 0);
}

/**
 * The size of SHA256_CTX and SHA512_CTX of openssl/sha.h: the chaining value h[8] and the length in bits, low
 * word Nl and high word Nh, in host order; the block buffer; the bytes in it, num, and md_len, both u32.
 */
function contextSize(algorithm: ShaAlgorithm): number {
  const { word, block } = SHA[algorithm];
  return 10 * word + block + 8;
}

function encodeContext(algorithm: ShaAlgorithm, { chain, tail, length }: ShaState): Buffer {
  const { word, block } = SHA[algorithm];
  const context = Buffer.alloc(contextSize(algorithm));
  context.set(swapChain(algorithm, chain));
  // Nl and Nh together are one little-endian number of two words; 2^53 bytes are 2^56 bits.
  context.writeBigUInt64LE(BigInt(length) * 8n, 8 * word);
  context.set(tail, 10 * word);
  context.writeUInt32LE(tail.length, 10 * word + block);
  context.writeUInt32LE(8 * word, 10 * word + block + 4);
  return context;
}

function decodeContext(algorithm: ShaAlgorithm, context: Buffer, length: number): ShaState {
  const { word, block } = SHA[algorithm];
  return {
    chain: swapChain(algorithm, context.subarray(0, 8 * word)),
    tail: context.subarray(10 * word, 10 * word + (length % block)),
    length,
  };
}
