import { join } from 'node:path';
import { CasError } from '../errors.js';
import { Database } from '../metadata/database.js';
import { Payloads } from '../payloads/payloads.js';
import type { Report } from '../report.js';
import { StackFiles } from '../stacks/stack-files.js';
import { heldByStacks, Stacks } from '../stacks/stacks.js';
import { LayerIndex } from './layer-index.js';
import { LAYER_ROWS } from './layer-rows.js';
import type { Layer } from './layer.js';
import { type Held, Layers } from './layers.js';
import { LAYER_LIMITS, type LayerLimits } from './limits.js';
import { rebuildLayers } from './rebuild-layers.js';

/** How layers are taken. */
export interface LayersOptions {
  /** What a layer may be at most; see {@link LAYER_LIMITS}. */
  readonly limits?: Partial<LayerLimits>;
  /** Puts each tar together again before it is taken. Default: not. */
  readonly verify?: boolean;
  /** Who holds which of these layers beside stacks. Default: nobody. */
  readonly held?: (layers: readonly Layer[]) => Promise<Held>;
}

/** The layers of a store, and the stacks of them. */
export interface OpenLayers {
  readonly layers: Layers;
  readonly stacks: Stacks;
  close(): Promise<void>;
}

const NOBODY: Held = { holds: [], complete: true };

/** Opens the layers of the store at `root`. Nothing is read before they are used. */
export function openLayers(
  root: string,
  { limits = {}, verify = false, held }: LayersOptions,
  report: Report = () => undefined,
): OpenLayers {
  const closing = new AbortController();
  const database: Database = new Database(join(root, 'layers', 'index'), {
    damaged: join(root, 'damaged'),
    contents: LAYER_ROWS,
    rebuild: async (write, signal) => {
      const failed = ({ chain }: { chain: string }, error: unknown): void =>
        report({
          level: 'error',
          message: 'a layer cannot be rebuilt',
          fields: { chain, error: String(error) },
        });
      const splitOf = layers.splitOf.bind(layers);
      const rebuild = {
        index,
        database,
        write,
        signal: AbortSignal.any([signal, closing.signal]),
        splitOf,
        failed,
      };
      const rebuilding = layers.undisturbed((all) => rebuildLayers(all, rebuild));
      index.rebuilding = rebuilding;
      await rebuilding.finally(() => (index.rebuilding = undefined));
    },
    report,
  });
  const payloads = new Payloads(root, database);
  const index: LayerIndex = new LayerIndex(database, payloads);
  const files = new StackFiles(join(root, 'stacks'));
  const heldByAll = async (all: readonly Layer[]): Promise<Held> => {
    const [stacks, others] = await Promise.all([heldByStacks(files), held?.(all) ?? NOBODY]);
    return { holds: [...stacks.holds, ...others.holds], complete: stacks.complete && others.complete };
  };
  const layers: Layers = new Layers(root, {
    index,
    payloads,
    limits: { ...LAYER_LIMITS, ...limits },
    verify,
    report,
    held: heldByAll,
  });
  return {
    layers,
    stacks: new Stacks(files, layers, report),
    close: async () => {
      closing.abort(new CasError('METADATA_UNAVAILABLE', { subject: root, found: 'it closed' }));
      await layers.close();
      await database.close();
      await payloads.close();
    },
  };
}
