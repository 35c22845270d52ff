import { decompressed } from '../compression/decompressed.js';
import { linesOf } from '../lines.js';
import type { PayloadReader } from '../payloads/reader.js';
import { wholePayload } from '../payloads/whole-payload.js';
import { compareTarSplit } from '../split/compare-tar-split.js';
import { readSplitFile } from '../split/split-file.js';
import { exportTarSplit } from '../split/tar-split-json.js';
import type { Layer } from './layer.js';
import type { Layers } from './layers.js';
import type { LayerSource } from './layer-source.js';
import type { TarCheck } from './stage-layer.js';

/**
 * The lines of Docker's tar-split.json for a layer. Who reads them holds the layer.
 * @throws as {@link exportTarSplit}; LAYER_DAMAGED where a payload is not what it was
 */
export function tarSplitOf(layers: Layers, layer: Layer): AsyncGenerator<string> {
  const { reader } = layers.payloads;
  return exportTarSplit(readSplitFile(layers.splitOf(layer)), (payload) => wholePayload(reader, payload));
}

/**
 * A check that a tar is the one that a tar-split.json tells of, which may be compressed.
 * @param reader has the payloads of the tar
 * @throws as {@link compareTarSplit} and {@link exportTarSplit}
 */
export function matchTarSplit(given: LayerSource, reader: PayloadReader, signal?: AbortSignal): TarCheck {
  return async (records) => {
    const { bytes } = await decompressed(given.bytes, signal && { signal });
    const own = exportTarSplit(records, (payload) => wholePayload(reader, payload));
    await compareTarSplit(linesOf(bytes), own);
  };
}
