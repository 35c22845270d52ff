import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { ensureDirectory, fsyncDirectory, rename } from '../files.js';
import { Lane } from '../lane.js';
import type { Payloads } from '../payloads/payloads.js';
import type { Report } from '../report.js';
import { readSplitFile } from '../split/split-file.js';
import type { AssembledTar } from '../split/assembled-tar.js';
import type { TreeReader } from '../tree/reader.js';
import { chainOf, MAX_DEPTH } from './chain.js';
import { clearLayer } from './clear-layer.js';
import { childHolder, type Holder, Holders, passingHolder, USER } from './holders.js';
import type { Layer, RemovedLayer } from './layer.js';
import { layerDirectory, type LayerRecord, removeHeld, splitPath, writeHeld } from './layer-record.js';
import type { LayerIndex } from './layer-index.js';
import { LayerTable } from './layer-table.js';
import type { LayerLimits } from './limits.js';
import { freeSets } from './free-sets.js';
import { leftLayers, type LoadedLayers, loadLayers } from './load-layers.js';
import type { LayerSource } from './layer-source.js';
import type { Progress } from './split-tar.js';
import { stageLayer, type StagedLayer, type TarCheck } from './stage-layer.js';

/** What a registration goes by. */
export interface Registration {
  /** The chain below; none for a lowest layer. */
  readonly parent?: Digest;
  /** Who will hold the layer. */
  readonly holder: Holder;
  readonly signal?: AbortSignal;
  readonly progress?: (progress: Progress) => void;
  /** Is shown the tar before anything of it is there. */
  readonly check?: TarCheck;
}

/** Who holds which layer. */
export interface Held {
  readonly holds: readonly (readonly [Digest, Holder])[];
  /** Whether there is nobody else. */
  readonly complete: boolean;
}

interface Parts {
  readonly index: LayerIndex;
  readonly payloads: Payloads;
  readonly limits: LayerLimits;
  readonly report: Report;
  /** Who holds which layer from run to run, layers on top and the user aside. */
  readonly held: () => Promise<Held>;
}

/**
 * The layers of a store, by chain. A layer is there as long as somebody holds it: a layer on top, a stack, the user. Its
 * truth on the disk is `<root>/layers/sha256/<hex of the chain>/`, which comes into being by one rename of a directory
 * that was staged and synced beside it, and with it the rows of the {@link LayerIndex}, which can be made again.
 */
export class Layers {
  readonly #root: string;
  readonly #staging: string;
  readonly #parts: Parts;
  readonly #layers = new LayerTable();
  readonly #holders = new Holders();
  /** The commits of registrations, and removals. */
  readonly #changes = new Lane();
  #loaded: Promise<void> | undefined;
  #read: Promise<LoadedLayers> | undefined;
  /** Whether all layers are known, and with them what is needed. */
  #complete = false;
  /** Called for each layer that has come or gone. */
  changed: (layer: Layer) => void = () => undefined;

  constructor(root: string, parts: Parts) {
    this.#root = join(root, 'layers');
    this.#staging = join(this.#root, 'staging');
    this.#parts = parts;
  }

  /** Reads what earlier runs left, once. What was being registered or removed is taken away, and what nobody holds. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  /** The layer of a chain. Call after {@link load}. */
  get(chain: Digest): Layer | undefined {
    return this.#layers.get(chain);
  }

  /** The layer with a number. Call after {@link load}. */
  numbered(number: number): Layer | undefined {
    return this.#layers.numbered(number);
  }

  /** All layers, in no order. Call after {@link load}. */
  all(): readonly Layer[] {
    return this.#layers.all();
  }

  /** A layer and those below it, the lowest first. */
  chain(top: Layer): Layer[] {
    return this.#layers.chain(top);
  }

  /** Who holds a layer. */
  holdersOf(chain: Digest): readonly Holder[] {
    return this.#holders.of(chain);
  }

  /** @throws CasError LAYER_NOT_FOUND */
  require(chain: Digest): Layer {
    const layer = this.#layers.get(chain);
    if (layer === undefined) throw new CasError('LAYER_NOT_FOUND', { subject: chain });
    return layer;
  }

  /** @throws CasError LAYER_NOT_FOUND */
  hold(chain: Digest, holder: Holder): Layer {
    const layer = this.require(chain);
    this.#holders.add(chain, holder);
    return layer;
  }

  /**
   * Lets go of a layer. Without holders it goes, and then each one below that only it held.
   * @returns what went, from the top down; nothing for a layer that is not there
   * @throws CasError LAYER_NOT_HELD
   */
  async release(chain: Digest, holder: Holder): Promise<RemovedLayer[]> {
    if (!this.#layers.get(chain)) return [];
    this.#holders.remove(chain, holder);
    if (this.#holders.has(chain)) return [];
    return this.#changes.run(() => this.#removeFrom(chain));
  }

  /**
   * The user, who added a layer by itself, lets go of it. It goes unless others hold it; see {@link release}.
   * @returns what went, from the top down
   * @throws CasError LAYER_NOT_FOUND, LAYER_NOT_HELD
   */
  async discard(chain: Digest): Promise<RemovedLayer[]> {
    await this.load();
    return this.#changes.run(async () => {
      this.require(chain);
      if (!this.#holders.of(chain).includes(USER))
        throw new CasError('LAYER_NOT_HELD', { subject: chain, expected: USER });
      await removeHeld(layerDirectory(this.#root, chain));
      this.#holders.remove(chain, USER);
      return this.#removeFrom(chain);
    });
  }

  /**
   * Takes a layer's tar apart and adds it on top of its parent; nothing of it is seen before all of it is durable, and
   * nothing stays of one that fails. Of two that register the same chain, one adds it and both have it.
   * @throws CasError LAYER_INVALID, LAYER_TOO_LARGE, LAYER_TOO_DEEP, LAYER_NOT_FOUND; the system's own errors
   */
  async register(source: LayerSource, registration: Registration): Promise<Layer> {
    await this.load();
    const parent = registration.parent && this.require(registration.parent);
    if (parent && parent.depth >= MAX_DEPTH) throw new CasError('LAYER_TOO_DEEP', { subject: parent.chain });
    return this.#holding(parent, () => this.#register(source, parent, registration));
  }

  async #register(
    source: LayerSource,
    parent: Layer | undefined,
    registration: Registration,
  ): Promise<Layer> {
    const { payloads } = this.#parts;
    const writer = payloads.begin();
    try {
      await this.#makeDirectories();
      const context = { ...this.#parts, staging: this.#staging, writer };
      const staged = await stageLayer(context, source, parent, {
        ...registration,
        number: this.#layers.nextNumber(),
      });
      return await this.#changes.run(() => this.#commit(staged, parent, registration.holder));
    } finally {
      payloads.end(writer);
      await this.#changes.run(() => this.#free(writer.used));
    }
  }

  /** The merged tree of a layer and those below it. */
  tree(layer: Layer): Promise<TreeReader> {
    return this.#parts.index.tree(layer);
  }

  /** A layer's own tar, put together again. */
  tar(layer: Layer): Promise<AssembledTar> {
    return this.#parts.index.tar(layer);
  }

  /** The path of the file that holds a layer's tar but for its payloads. */
  splitOf({ chain }: Layer): string {
    return splitPath(layerDirectory(this.#root, chain));
  }

  /** Acts on all layers, once they are known, while none comes or goes. */
  async undisturbed(action: (layers: readonly Layer[]) => Promise<void>): Promise<void> {
    void this.load().catch(() => undefined);
    await this.#read;
    await this.#changes.run(() => action(this.all()));
  }

  /** Waits for what is under way. */
  close(): Promise<void> {
    return this.#changes.quiet();
  }

  get payloads(): Payloads {
    return this.#parts.payloads;
  }

  /** Keeps `layer` while something is done. */
  async #holding<T>(layer: Layer | undefined, action: () => Promise<T>): Promise<T> {
    if (layer === undefined) return action();
    const holder = passingHolder('registration');
    this.#holders.add(layer.chain, holder);
    try {
      return await action();
    } finally {
      await this.release(layer.chain, holder);
    }
  }

  async #load(): Promise<void> {
    const { payloads, held } = this.#parts;
    this.#read = this.#readRecords();
    const { layers, users, complete } = await this.#read;
    this.#complete = complete;
    for (const chain of users) this.#holders.add(chain, USER);
    const { holds, complete: allHeld } = await held();
    for (const [chain, holder] of holds) if (this.#layers.get(chain)) this.#holders.add(chain, holder);
    await this.#changes.run(async () => {
      const left = await leftLayers(this.#staging);
      for (const { directory, record } of left) await this.#clear(record, directory);
      if (!complete) return;
      await payloads.keepOnly(new Set(layers.flatMap(setsOf)));
      await this.#free(new Set(left.flatMap(({ record }) => setsOf(record))));
      if (!allHeld) return;
      for (const { chain } of layers)
        await this.#removeFrom(chain).catch((error: unknown) => {
          this.#tell('a layer that nobody holds cannot be removed', { chain, error: String(error) });
        });
    });
  }

  async #readRecords(): Promise<LoadedLayers> {
    const loaded = await loadLayers(this.#root, this.#parts.report);
    for (const layer of loaded.layers) this.#add(layer);
    return loaded;
  }

  async #makeDirectories(): Promise<void> {
    for (const path of [this.#root, this.#staging, join(this.#root, 'sha256')])
      await ensureDirectory(path, 0o700);
  }

  /** The last step of a registration: where the chain is not there yet, one rename makes it so. */
  async #commit(staged: StagedLayer, parent: Layer | undefined, holder: Holder): Promise<Layer> {
    const chain = chainOf(parent?.chain, staged.record.diff);
    const directory = layerDirectory(this.#root, chain);
    const there = this.#layers.get(chain);
    if (there !== undefined) {
      await staged.discard();
      if (holder === USER) await writeHeld(directory);
      this.#holders.add(chain, holder);
      return there;
    }
    const layer = { ...staged.record, chain, depth: (parent?.depth ?? 0) + 1 };
    try {
      await this.#parts.index.enter(layer, staged.rows);
      if (holder === USER) await writeHeld(staged.directory);
      await this.#move(staged.directory, directory, directory);
    } catch (error) {
      await staged.discard((left) => this.#clear(layer, left));
      throw error;
    }
    this.#add(layer);
    this.#holders.add(chain, holder);
    this.changed(layer);
    return layer;
  }

  #add(layer: Layer): void {
    this.#layers.add(layer);
    if (layer.set !== undefined) this.#parts.payloads.own(layer.set);
    if (layer.parent !== undefined) this.#holders.add(layer.parent, childHolder(layer.chain));
  }

  /** Removes a layer that nobody holds, then each one below that only it held; in the lane. */
  async #removeFrom(chain: Digest): Promise<RemovedLayer[]> {
    const removed: RemovedLayer[] = [];
    let layer = this.#layers.get(chain);
    while (layer !== undefined && !this.#holders.has(layer.chain)) {
      const size = this.chain(layer).reduce((sum, one) => sum + one.size, 0);
      const parent = layer.parent && this.#layers.get(layer.parent);
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
    const directory = layerDirectory(this.#root, layer.chain);
    const left = join(this.#staging, randomBytes(6).toString('hex'));
    // Before anything is waited for: nobody may come to hold it.
    this.#layers.remove(layer);
    try {
      await ensureDirectory(this.#staging, 0o700);
      await this.#move(directory, left, directory);
    } catch (error) {
      this.#layers.add(layer);
      throw error;
    }
    if (layer.set !== undefined) payloads.disown(layer.set);
    if (parent !== undefined) this.#holders.remove(parent.chain, childHolder(layer.chain));
    this.changed(layer);
    await this.#clear(layer, left);
    await this.#free(setsOf(layer));
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
  async #clear(record: Pick<LayerRecord, 'number' | 'set' | 'uses'>, directory: string): Promise<void> {
    try {
      await clearLayer(this.#parts, record, directory);
    } catch (error) {
      this.#layers.skip(record.number);
      this.#tell('what is left of a layer cannot be removed yet', { directory, error: String(error) });
    }
  }

  /** Frees sets as far as nobody needs them. */
  async #free(sets: Iterable<string>): Promise<void> {
    if (!this.#complete) return;
    await freeSets(sets, {
      layers: this.all(),
      payloads: this.#parts.payloads,
      recordsOf: (layer) => readSplitFile(this.splitOf(layer)),
      failed: (set, error) => this.#tell('payloads cannot be freed', { set, error: String(error) }),
    });
  }

  #tell(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#parts.report({ level: 'error', message, fields });
  }
}

/** All sets that a layer has payloads in. */
function setsOf({ set, uses }: Pick<LayerRecord, 'set' | 'uses'>): readonly string[] {
  return set === undefined ? uses : [set, ...uses];
}
