import type { IHasher } from 'hash-wasm';
import type { Algorithm } from '../digest.js';

const instances = new Map<Algorithm, Promise<IHasher>>();

/**
 * This thread's only WebAssembly instance for `algorithm`; hashes share it by loading their image before each
 * step and saving it after. (An instance per hash would cost 128 KiB and gigabytes of address space each.)
 */
export function instanceOf(algorithm: Algorithm): Promise<IHasher> {
  let instance = instances.get(algorithm);
  if (!instance) {
    instance = instantiate(algorithm);
    instances.set(algorithm, instance);
  }
  return instance;
}

/** The image that follows from `image` when `data` is hashed. */
export function advance(instance: IHasher, image: Uint8Array, data: Uint8Array): Uint8Array {
  return instance.load(image).update(data).save();
}

async function instantiate(algorithm: Algorithm): Promise<IHasher> {
  const { createBLAKE3, createSHA256, createSHA512 } = await import('hash-wasm');
  return { sha256: createSHA256, sha512: createSHA512, blake3: () => createBLAKE3() }[algorithm]();
}
