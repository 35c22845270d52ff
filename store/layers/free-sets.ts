import type { Payload } from '../payloads/location.js';
import type { Payloads } from '../payloads/payloads.js';
import type { SplitRecord } from '../split/record.js';
import type { Layer } from './layer.js';

/** What {@link freeSets} goes by. */
export interface Freeing {
  /** All layers. */
  readonly layers: readonly Layer[];
  readonly payloads: Payloads;
  /** The records of a layer's split tar. */
  readonly recordsOf: (layer: Layer) => AsyncIterable<SplitRecord>;
  /** A set stays as it is. */
  readonly failed: (set: string, error: unknown) => void;
}

/**
 * Frees what none of the layers that are there needs of sets: all of a set that nobody has anything in, and what nobody
 * has of one whose own layer has gone. A set that somebody is about to have something in is left as it is, and so is
 * one where it cannot be told what is needed.
 */
export async function freeSets(sets: Iterable<string>, freeing: Freeing): Promise<void> {
  const { layers, payloads, failed } = freeing;
  for (const set of sets) {
    if (payloads.isAwaited(set) || layers.some((layer) => layer.set === set)) continue;
    try {
      await payloads.trim(set, await needed(set, freeing));
    } catch (error) {
      failed(set, error);
    }
  }
}

async function needed(set: string, { layers, recordsOf }: Freeing): Promise<Payload[]> {
  const keep: Payload[] = [];
  for (const layer of layers.filter(({ uses }) => uses.includes(set)))
    for await (const { payload } of recordsOf(layer)) if (payload?.location.set === set) keep.push(payload);
  return keep;
}
