import { promises } from 'node:fs';
import { join } from 'node:path';
import { type Digest, hexOf, isDigest } from '../digest.js';
import { CasError } from '../errors.js';
import { createFile, fsyncDirectory, ifPresent, isCode, unlink } from '../files.js';
import type { Layer } from './layer.js';

/** What is written down of a layer, beside its split tar, in `<root>/layers/<algorithm>/<hex>/record`. */
export type LayerRecord = Omit<Layer, 'chain' | 'depth'>;

const FORMAT = 1;
const RECORD = 'record';

/** Where the layer of a chain is kept, below the directory of all layers. */
export function layerDirectory(root: string, chain: Digest): string {
  return join(root, 'sha256', hexOf(chain));
}

/** The file that holds the tar but for its payloads. */
export function splitPath(directory: string): string {
  return join(directory, 'split');
}

/** The file that says that the user holds the layer. */
export function heldPath(directory: string): string {
  return join(directory, 'held');
}

/** Writes down, durably, that the user holds the layer. */
export async function writeHeld(directory: string): Promise<void> {
  await createFile(heldPath(directory), '').catch((error: unknown) => {
    if (!isCode(error, 'EEXIST')) throw error;
  });
  await fsyncDirectory(directory);
}

/** Writes down, durably, that the user no longer holds the layer. */
export async function removeHeld(directory: string): Promise<void> {
  await ifPresent(unlink(heldPath(directory)));
  await fsyncDirectory(directory);
}

/** Writes the record of a layer, which must not have one yet. */
export async function writeLayerRecord(directory: string, record: LayerRecord): Promise<void> {
  const text = JSON.stringify({ format: FORMAT, ...record }, null, 2);
  await createFile(join(directory, RECORD), `${text}\n`);
}

/**
 * The record of a layer; undefined where there is none.
 * @throws CasError LAYER_DAMAGED
 */
export async function readLayerRecord(directory: string): Promise<LayerRecord | undefined> {
  const path = join(directory, RECORD);
  const text = await ifPresent(promises.readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  const record = parse(text);
  if (record === undefined) throw new CasError('LAYER_DAMAGED', { subject: path, expected: 'a record' });
  return record;
}

function parse(text: string): LayerRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, diff, parent, number, size, entries, set, uses, createdAt, blob } = value as Record<
    string,
    unknown
  >;
  const created = new Date(typeof createdAt === 'string' ? createdAt : Number.NaN);
  if (format !== FORMAT || !isDigestText(diff) || !(parent === undefined || isDigestText(parent)))
    return undefined;
  if (!isCount(number) || !isCount(size) || !isCount(entries) || Number.isNaN(created.getTime()))
    return undefined;
  if (!(set === undefined || isSet(set)) || !Array.isArray(uses) || !uses.every(isSet)) return undefined;
  return {
    diff,
    ...(parent !== undefined && { parent }),
    number,
    size,
    entries,
    ...(set !== undefined && { set }),
    uses,
    createdAt: created,
    ...(isDigestText(blob) && { blob }),
  };
}

function isDigestText(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isSet(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{12}$/.test(value);
}
