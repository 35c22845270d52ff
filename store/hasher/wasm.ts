import type { IHasher } from 'hash-wasm';
import type { Algorithm } from '../digest.js';
import { CoreHasher, type HashCore } from './core.js';
import { decodeGoState, encodeGoState } from './go-state.js';
import type { HashEngine, Hasher } from './hasher.js';
import { decodeBlake3State, decodeShaImage, encodeBlake3State, encodeShaImage } from './wasm-image.js';
import { advance, instanceOf } from './wasm-instance.js';
import { JOB_SIZE, advanceOnThread } from './wasm-thread.js';

/** hash-wasm: WebAssembly, for every algorithm and platform. */
export const wasmEngine: HashEngine = {
  name: 'hash-wasm',
  supports: () => true,
  create: createWasm,
};

async function createWasm(algorithm: Algorithm, state?: Uint8Array): Promise<Hasher> {
  const instance = await instanceOf(algorithm);
  const fresh = instance.init().save();
  const { image, length } = state ? restore(algorithm, state, fresh) : { image: fresh, length: 0 };
  return new CoreHasher(algorithm, new WasmCore(algorithm, instance, image), length);
}

function restore(
  algorithm: Algorithm,
  bytes: Uint8Array,
  fresh: Uint8Array,
): { readonly image: Uint8Array; readonly length: number } {
  if (algorithm === 'blake3') return decodeBlake3State(bytes, fresh);
  const state = decodeGoState(algorithm, bytes);
  return { image: encodeShaImage(algorithm, state, fresh), length: state.length };
}

class WasmCore implements HashCore {
  readonly pieceSize = JOB_SIZE;
  readonly #algorithm: Algorithm;
  readonly #instance: IHasher;
  #image: Uint8Array;

  constructor(algorithm: Algorithm, instance: IHasher, image: Uint8Array) {
    this.#algorithm = algorithm;
    this.#instance = instance;
    // Memory of its own: a view would be sent to the thread with the whole buffer that it looks into.
    this.#image = Uint8Array.from(image);
  }

  absorb(data: Uint8Array): void {
    this.#image = advance(this.#instance, this.#image, data);
  }

  async absorbLater(data: Uint8Array): Promise<void> {
    this.#image = await advanceOnThread(this.#algorithm, this.#image, data);
  }

  digest(): Uint8Array {
    return this.#instance.load(this.#image).digest('binary');
  }

  save(length: number): Uint8Array {
    if (this.#algorithm === 'blake3') return encodeBlake3State(this.#image, length);
    return encodeGoState(this.#algorithm, decodeShaImage(this.#algorithm, this.#image, length));
  }

  wipe(): void {
    this.#image.fill(0);
  }
}
