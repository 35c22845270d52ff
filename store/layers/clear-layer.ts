import { promises } from 'node:fs';
import { isCasError } from '../errors.js';
import { isCode } from '../files.js';
import type { Payload } from '../payloads/location.js';
import type { Payloads } from '../payloads/payloads.js';
import { readSplitFile } from '../split/split-file.js';
import type { LayerIndex } from './layer-index.js';
import { type LayerRecord, splitPath } from './layer-record.js';

interface Context {
  readonly index: LayerIndex;
  readonly payloads: Payloads;
}

/**
 * Removes what there is in the index of a layer that is none of the store's, or no longer, and the directory that it was
 * staged in or moved to. Whatever of it was done before is no matter. In the lane of changes.
 */
export async function clearLayer(
  context: Context,
  record: Pick<LayerRecord, 'number' | 'set'>,
  directory: string,
): Promise<void> {
  try {
    await context.index.remove(record);
    if (record.set !== undefined) await forget(context, record.set, splitPath(directory));
  } catch (error) {
    // It is made again without this layer.
    if (!isCasError(error, 'METADATA_DAMAGED')) throw error;
  }
  await promises.rm(directory, { recursive: true, force: true });
}

/** Removes the rows of the payloads of a set, as far as they are known. */
async function forget({ index, payloads }: Context, set: string, split: string): Promise<void> {
  for await (const some of payloadsIn(split, set)) await index.apply(await payloads.index.forget(some));
}

/** A row that stays, because it is not known, leads to a set without a layer: nobody comes to share it. */
async function* payloadsIn(split: string, set: string): AsyncGenerator<Payload[]> {
  let some: Payload[] = [];
  try {
    for await (const { payload } of readSplitFile(split)) {
      if (payload?.location.set === set) some.push(payload);
      if (some.length < 1000) continue;
      yield some;
      some = [];
    }
  } catch (error) {
    if (!isCasError(error, 'LAYER_DAMAGED') && !isCode(error, 'ENOENT')) throw error;
  }
  yield some;
}
