import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { ensureDirectory, fsyncDirectory, rename } from '../files.js';
import type { Payloads } from '../payloads/payloads.js';
import type { Report } from '../report.js';
import { readSplitFile } from '../split/split-file.js';
import { chainOf } from './chain.js';
import { clearLayer } from './clear-layer.js';
import { freeSets } from './free-sets.js';
import { childHolder, DOUBT, type Holder, Holders, KEPT, USER } from './holders.js';
import type { Layer, RemovedLayer } from './layer.js';
import type { LayerIndex } from './layer-index.js';
import { layerDirectory, type LayerRecord, splitPath, writeHeld } from './layer-record.js';
import { LayerTable } from './layer-table.js';
import type { StagedLayer } from './stage-layer.js';

interface Parts {
  readonly index: LayerIndex;
  readonly payloads: Payloads;
  readonly report: Report;
}

/** Knows who needs layers without holding them yet. */
export interface Claims {
  /**
   * Has those hold a layer that need it, and {@link DOUBT} where it cannot be told now whether somebody does. Undefined
   * where that is so at once: nobody else needs it at this moment.
   */
  claim(layer: Layer): Promise<void> | undefined;
  /** Why it cannot be told now who needs what. */
  readonly doubt: string | undefined;
}

/** How layers come and go. What is not said to be done at once is done in the lane of changes, one after the other. */
export class LayerChanges {
  readonly layers = new LayerTable();
  readonly holders = new Holders();
  /** The directory of all layers, and the one in it in which they are staged. */
  readonly root: string;
  readonly staging: string;
  readonly #parts: Parts;
  /** Whether all layers are known, and with them what is needed. */
  complete = false;
  /** Is asked before a layer goes. */
  claims: Claims | undefined;
  /** Called for each layer that has come or gone. */
  readonly listeners: ((layer: Layer) => void)[] = [];

  constructor(root: string, parts: Parts) {
    this.root = root;
    this.staging = join(root, 'staging');
    this.#parts = parts;
  }

  /** The last step of a registration: where the chain is not there yet, one rename makes it so. */
  async commit(staged: StagedLayer, parent: Layer | undefined, holder: Holder): Promise<Layer> {
    const chain = chainOf(parent?.chain, staged.record.diff);
    const directory = layerDirectory(this.root, chain);
    const there = this.layers.get(chain);
    if (there !== undefined) {
      await staged.discard();
      if (holder === USER) await writeHeld(directory);
      this.holders.add(chain, holder);
      return there;
    }
    const layer = { ...staged.record, chain, depth: (parent?.depth ?? 0) + 1 };
    try {
      await this.#parts.index.enter(layer, staged.rows);
      if (holder === USER) await writeHeld(staged.directory);
      await this.#move(staged.directory, directory, directory);
    } catch (error) {
      await staged.discard((left) => this.clear(layer, left));
      throw error;
    }
    this.add(layer);
    this.holders.add(chain, holder);
    for (const changed of this.listeners) changed(layer);
    return layer;
  }

  /** Enters a layer that is on the disk; at once. */
  add(layer: Layer): void {
    this.layers.add(layer);
    if (layer.set !== undefined) this.#parts.payloads.own(layer.set);
    if (layer.parent !== undefined) this.holders.add(layer.parent, childHolder(layer.chain));
  }

  /** Has those stay that nobody is known to hold, whoever comes to hold them for a while. */
  async keep(layers: readonly Layer[]): Promise<void> {
    for (const layer of layers) {
      if (!this.holders.has(layer.chain)) await this.claims?.claim(layer);
      if (!this.holders.has(layer.chain)) this.holders.add(layer.chain, KEPT);
    }
  }

  /** See {@link Layers.checkRelease}. */
  async checkRelease(chain: Digest, holder: Holder): Promise<void> {
    const layer = this.layers.get(chain);
    const others = this.holders.of(chain).filter((other) => other !== holder && other !== DOUBT);
    if (layer === undefined || others.length > 0) return;
    for (let claim = this.claims?.claim(layer); claim; claim = this.claims?.claim(layer)) await claim;
    if (this.claims?.doubt !== undefined && this.holders.of(chain).includes(DOUBT))
      throw new CasError('LAYER_HELD', { subject: chain, found: `perhaps ${this.claims.doubt}` });
  }

  /** Removes a layer that nobody holds or needs, then each one below that only it held; in the lane. */
  async removeFrom(chain: Digest): Promise<RemovedLayer[]> {
    const removed: RemovedLayer[] = [];
    let layer = this.layers.get(chain);
    while (layer !== undefined && !this.holders.has(layer.chain)) {
      const claim = this.claims?.claim(layer);
      if (claim !== undefined) {
        await claim;
        continue;
      }
      // Nothing is waited for from here on before the layer is gone: what is acknowledged later has not had it.
      if (this.holders.has(layer.chain)) break;
      const size = this.layers.chain(layer).reduce((sum, one) => sum + one.size, 0);
      const parent = layer.parent && this.layers.get(layer.parent);
      await this.#remove(layer, parent);
      removed.push({ chain: layer.chain, diff: layer.diff, size, diffSize: layer.size });
      layer = parent;
    }
    return removed;
  }

  /**
   * The name goes first, in one rename; what a crash leaves of the rest is removed at the next start. Payloads go last:
   * no row leads to one that has gone.
   */
  async #remove(layer: Layer, parent: Layer | undefined): Promise<void> {
    const { payloads } = this.#parts;
    const directory = layerDirectory(this.root, layer.chain);
    const left = join(this.staging, randomBytes(6).toString('hex'));
    // Before anything is waited for: nobody may come to hold it.
    this.layers.remove(layer);
    try {
      await ensureDirectory(this.staging, 0o700);
      await this.#move(directory, left, directory);
    } catch (error) {
      this.layers.add(layer);
      throw error;
    }
    if (layer.set !== undefined) payloads.disown(layer.set);
    if (parent !== undefined) this.holders.remove(parent.chain, childHolder(layer.chain));
    for (const changed of this.listeners) changed(layer);
    await this.clear(layer, left);
    await this.free(setsOf(layer));
  }

  /** Gives a directory its name, or takes it away, durably; `named` is the path in question. After an error it is undone. */
  async #move(from: string, to: string, named: string): Promise<void> {
    await rename(from, to);
    try {
      await fsyncDirectory(dirname(named));
    } catch (error) {
      await rename(to, from);
      throw error;
    }
  }

  /** Removes what is left of a layer. What cannot be removed now is when the store is next opened. */
  async clear(record: Pick<LayerRecord, 'number' | 'set' | 'uses'>, directory: string): Promise<void> {
    try {
      await clearLayer(this.#parts, record, directory);
    } catch (error) {
      this.layers.skip(record.number);
      this.tell('what is left of a layer cannot be removed yet', { directory, error: String(error) });
    }
  }

  /** Frees sets as far as nobody needs them. */
  async free(sets: Iterable<string>): Promise<void> {
    if (!this.complete) return;
    await freeSets(sets, {
      layers: this.layers.all(),
      payloads: this.#parts.payloads,
      recordsOf: ({ chain }) => readSplitFile(splitPath(layerDirectory(this.root, chain))),
      failed: (set, error) => this.tell('payloads cannot be freed', { set, error: String(error) }),
    });
  }

  /** Reports what fails no call; at once. */
  tell(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#parts.report({ level: 'error', message, fields });
  }
}

/** All sets that a layer has payloads in. */
export function setsOf({ set, uses }: Pick<LayerRecord, 'set' | 'uses'>): readonly string[] {
  return set === undefined ? uses : [set, ...uses];
}
