import { CasError } from '../errors.js';
import type { Layers } from '../layers/layers.js';
import type { BlobDiffs } from './blob-diffs.js';
import type { Chosen } from './choose-image.js';
import type { Image, ImageLayer } from './image.js';
import { platformText } from './platform.js';
import type { Registrations } from './register-image.js';

/** How the root file system of an image is: null for what has none. */
export type ImageState = 'absent' | 'registering' | 'registered' | 'failed' | null;

/** What is told of an image; see SEMANTICS.md. Keys are stable, and all are there. */
export interface ImageStatus {
  readonly name: string;
  /** Of the entry of index.json. */
  readonly digest: string;
  readonly manifest: string | null;
  readonly platform: string | null;
  readonly state: ImageState;
  /** The ChainID of all its layers. */
  readonly chain: string | null;
  readonly layers: number;
  /** How many of them are registered. */
  readonly registered: number;
  /** The layer that is being registered, from 1. */
  readonly layer: number | null;
  /** Bytes of the blobs of its layers: those of layers that are registered, and what is read of the next. */
  readonly bytes: number;
  readonly total: number;
  readonly percent: number | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

interface Parts {
  readonly registrations: Registrations;
  readonly layers: Layers;
  readonly diffs: BlobDiffs;
}

/** Whether a layer is registered, and known to be what the blob of the image is. */
export function isRegistered(layer: ImageLayer, { layers, diffs }: Omit<Parts, 'registrations'>): boolean {
  return layers.get(layer.chain) !== undefined && diffs.known(layer) === true;
}

/** How an image is. Call after the layers are loaded. */
export function imageStatus(name: string, chosen: Chosen, parts: Parts): ImageStatus {
  const { entry, image, manifest, fault } = chosen;
  const found = image?.layers ?? [];
  const registered = found.filter((layer) => isRegistered(layer, parts));
  const underWay = found.findIndex(({ chain }) => parts.registrations.progressOf(chain) !== undefined);
  const total = sum(found.map(({ blob }) => blob.size));
  const bytes = bytesOf(image, parts);
  // All is read some time before the layer is there.
  const most = registered.length < found.length ? 99.9 : 100;
  const error = fault ?? failureOf(image, parts);
  const platform = image?.platform ?? manifest?.platform;
  return {
    name,
    digest: entry.digest,
    manifest: manifest?.digest ?? null,
    platform: platform === undefined ? null : platformText(platform),
    state: stateOf(found.length, registered.length, underWay >= 0, error !== undefined),
    chain: found.at(-1)?.chain ?? null,
    layers: found.length,
    registered: registered.length,
    layer: underWay < 0 ? null : underWay + 1,
    bytes,
    total,
    percent: total === 0 ? null : Math.min(most, Math.floor((1000 * bytes) / total) / 10),
    error:
      error === undefined
        ? null
        : { code: error instanceof CasError ? error.code : 'SYSTEM', message: error.message },
  };
}

/** Why the layers of an image could not be registered; undefined where that is not so. */
export function failureOf(image: Image | undefined, parts: Parts): Error | undefined {
  const { registrations, layers, diffs } = parts;
  for (const layer of image?.layers ?? []) {
    if (isRegistered(layer, parts)) continue;
    const registration = layers.get(layer.chain) ? undefined : registrations.failureOf(layer.chain);
    const failure = registration ?? diffs.failureOf(layer);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/** How many bytes are read of the blobs of an image's layers; those of registered ones count as read. */
export function bytesOf(image: Image | undefined, parts: Parts): number {
  return sum(
    (image?.layers ?? []).map((layer) =>
      isRegistered(layer, parts)
        ? layer.blob.size
        : Math.min(layer.blob.size, parts.registrations.progressOf(layer.chain)?.bytes ?? 0),
    ),
  );
}

function stateOf(layers: number, registered: number, underWay: boolean, failed: boolean): ImageState {
  if (layers > 0 && layers === registered) return 'registered';
  if (underWay) return 'registering';
  if (failed) return 'failed';
  return layers === 0 ? null : 'absent';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
