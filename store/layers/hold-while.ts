import { passingHolder } from './holders.js';
import type { Layer } from './layer.js';
import type { Layers } from './layers.js';

/** Passes on what is read of a layer, which is held from the first item to the end. @throws CasError LAYER_NOT_FOUND */
export async function* holdWhile<T>(
  layers: Layers,
  { chain }: Layer,
  doing: string,
  read: () => AsyncIterable<T> | Promise<AsyncIterable<T>>,
): AsyncGenerator<T> {
  const holder = passingHolder(doing);
  layers.hold(chain, holder);
  try {
    yield* await read();
  } finally {
    await layers.release(chain, holder);
  }
}
