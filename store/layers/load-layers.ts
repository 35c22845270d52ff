import { existsSync, promises } from 'node:fs';
import { join } from 'node:path';
import { type Digest, digestOf, isHexOf } from '../digest.js';
import { CasError } from '../errors.js';
import { readNames } from '../files.js';
import { inBatches } from '../in-batches.js';
import type { Report } from '../report.js';
import { chainOf } from './chain.js';
import type { Layer } from './layer.js';
import { heldPath, type LayerRecord, readLayerRecord } from './layer-record.js';

/** What earlier runs left. */
export interface LoadedLayers {
  readonly layers: readonly Layer[];
  /** Those that the user holds. */
  readonly users: readonly Digest[];
  /** Whether every record could be read: only then is it known which payloads nobody needs. */
  readonly complete: boolean;
}

/**
 * Reads the records of all layers below `root`. One that cannot be read, that is not what its name says, or whose parent
 * is not there, is reported and left out, with those on top of it; it stays on the disk.
 */
export async function loadLayers(root: string, report: Report): Promise<LoadedLayers> {
  const directory = join(root, 'sha256');
  const names = (await readNames(directory)).filter((name) => isHexOf('sha256', name));
  const records = new Map<Digest, LayerRecord>();
  const users: Digest[] = [];
  let complete = true;
  await inBatches(names, async (name) => {
    const chain = digestOf('sha256', name);
    try {
      const record = await readLayerRecord(join(directory, name));
      if (record === undefined || chainOf(record.parent, record.diff) !== chain)
        throw new CasError('LAYER_DAMAGED', { subject: chain, found: 'no record of it' });
      records.set(chain, record);
      if (existsSync(heldPath(join(directory, name)))) users.push(chain);
    } catch (error) {
      complete = false;
      report({
        level: 'error',
        message: 'a layer cannot be used',
        fields: { chain, error: messageOf(error) },
      });
    }
  });
  const layers = new Map<Digest, Layer>();
  for (const chain of records.keys()) addChain(chain, records, layers);
  for (const [chain, { parent }] of records) {
    if (layers.has(chain)) continue;
    complete = false;
    report({ level: 'error', message: 'a layer has lost its parent', fields: { chain, parent } });
  }
  return { layers: [...layers.values()], users, complete };
}

/** Adds a layer with the parents that it needs, the lowest first; nothing where one of them is missing. */
function addChain(chain: Digest, records: ReadonlyMap<Digest, LayerRecord>, to: Map<Digest, Layer>): void {
  const missing: [Digest, LayerRecord][] = [];
  let next: Digest | undefined = chain;
  for (; next !== undefined && !to.has(next);) {
    const record = records.get(next);
    if (record === undefined) return;
    missing.push([next, record]);
    next = record.parent;
  }
  let depth = next === undefined ? 0 : (to.get(next)?.depth ?? 0);
  for (const [chain, record] of missing.reverse()) to.set(chain, { ...record, chain, depth: ++depth });
}

/** A layer that was being registered or removed when a process ended. */
export interface LeftLayer {
  readonly directory: string;
  readonly record: LayerRecord;
}

/** What was being registered or removed when a process ended. What cannot have come into the index is removed. */
export async function leftLayers(staging: string): Promise<LeftLayer[]> {
  const left: LeftLayer[] = [];
  await inBatches(await readNames(staging), async (name) => {
    const directory = join(staging, name);
    const record = await readLayerRecord(directory).catch(() => undefined);
    if (record === undefined) await promises.rm(directory, { recursive: true, force: true });
    else left.push({ directory, record });
  });
  return left;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
