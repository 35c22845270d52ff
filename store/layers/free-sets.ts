import type { Payload } from '../payloads/location.js';
import type { Payloads } from '../payloads/payloads.js';
import type { SplitRecord } from '../split/record.js';
import type { Layer } from './layer.js';

/**
 * Frees what none of the layers that are there needs of sets: all of a set that nobody has anything in, and what nobody
 * has of one whose own layer has gone. A set that somebody is about to have something in is left as it is.
 *
 * @param recordsOf - the records of a layer's split tar
 */
export async function freeSets(
  sets: Iterable<string>,
  layers: readonly Layer[],
  payloads: Payloads,
  recordsOf: (layer: Layer) => AsyncIterable<SplitRecord>,
): Promise<void> {
  for (const set of sets) {
    if (payloads.isAwaited(set) || layers.some((layer) => layer.set === set)) continue;
    const keep: Payload[] = [];
    for (const layer of layers.filter(({ uses }) => uses.includes(set)))
      for await (const { payload } of recordsOf(layer)) if (payload?.location.set === set) keep.push(payload);
    await payloads.trim(set, keep);
  }
}
