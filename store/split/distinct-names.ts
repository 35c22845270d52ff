import { posix } from 'node:path';
import type { ByteText } from '../tar/entry.js';

/**
 * Names of files, of which no two may lead to the same path: `a`, `./a` and `a/` do, `/a` does not. tar-split looks
 * files up by their names, and its packer and its unpacker refuse duplicates.
 */
export class DistinctNames {
  readonly #seen = new Set<ByteText>();

  /** False where the path was there already. */
  add(name: ByteText): boolean {
    const path = posix.normalize(name);
    const clean = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    const { size } = this.#seen;
    return this.#seen.add(clean).size > size;
  }
}
