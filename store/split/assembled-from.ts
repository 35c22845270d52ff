import type { PayloadReader } from '../payloads/reader.js';
import { AssembledTar } from './assembled-tar.js';
import { readSplitChunks } from './split-file.js';

/**
 * Puts a tar together from its split file alone, all of which is kept in memory: some 80 bytes an entry.
 * @throws CasError LAYER_DAMAGED
 */
export async function assembledFrom(path: string, payloads: PayloadReader): Promise<AssembledTar> {
  const chunks = readSplitChunks(path);
  const kept: Buffer[] = [];
  for (;;) {
    const next = await chunks.next();
    if (next.done) {
      return new AssembledTar(
        next.value,
        (number) => Promise.resolve(kept[number] ?? Buffer.alloc(0)),
        payloads,
      );
    }
    kept.push(Buffer.from(next.value.bytes));
  }
}
