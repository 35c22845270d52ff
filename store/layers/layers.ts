import { randomBytes } from 'node:crypto';
import { promises } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { createFile, ensureDirectory, fsyncDirectory, ifPresent, rename, unlink } from '../files.js';
import { Lane } from '../lane.js';
import type { Payload } from '../payloads/location.js';
import type { Payloads } from '../payloads/payloads.js';
import type { Report } from '../report.js';
import { readSplitFile } from '../split/split-file.js';
import type { AssembledTar } from '../split/assembled-tar.js';
import type { TreeReader } from '../tree/reader.js';
import { chainOf, MAX_DEPTH } from './chain.js';
import { childHolder, type Holder, Holders, passingHolder, USER } from './holders.js';
import { type Layer, MAX_NUMBER, type RemovedLayer } from './layer.js';
import { heldPath, layerDirectory, splitPath } from './layer-record.js';
import type { LayerIndex } from './layer-index.js';
import type { LayerLimits } from './limits.js';
import { freeSets } from './free-sets.js';
import { type LoadedLayers, loadLayers, removeStaging } from './load-layers.js';
import type { LayerSource } from './layer-source.js';
import type { Progress } from './split-tar.js';
import { stageLayer, type StagedLayer } from './stage-layer.js';

/** What a registration goes by. */
export interface Registration {
  /** The chain below; none for a lowest layer. */
  readonly parent?: Digest;
  /** Who will hold the layer. */
  readonly holder: Holder;
  readonly signal?: AbortSignal;
  readonly progress?: (progress: Progress) => void;
}

interface Parts {
  readonly index: LayerIndex;
  readonly payloads: Payloads;
  readonly limits: LayerLimits;
  readonly report: Report;
  /** Who holds which layer from run to run, layers on top and the user aside. */
  readonly held: () => Promise<readonly (readonly [Digest, Holder])[]>;
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
  readonly #layers = new Map<Digest, Layer>();
  readonly #numbers = new Map<number, Layer>();
  readonly #holders = new Holders();
  /** The commits of registrations, and removals. */
  readonly #changes = new Lane();
  #loaded: Promise<void> | undefined;
  #read: Promise<LoadedLayers> | undefined;
  #lastNumber = 0;
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
    return this.#numbers.get(number);
  }

  /** All layers, in no order. Call after {@link load}. */
  all(): readonly Layer[] {
    return [...this.#layers.values()];
  }

  /** A layer and those below it, the lowest first. */
  chain(top: Layer): Layer[] {
    const layers: Layer[] = [];
    for (let next: Layer | undefined = top; next; next = next.parent && this.#layers.get(next.parent))
      layers.push(next);
    return layers.reverse();
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
    if (!this.#layers.has(chain)) return [];
    this.#holders.remove(chain, holder);
    if (this.#holders.has(chain)) return [];
    return this.#changes.run(() => this.#removeFrom(chain));
  }

  /**
   * The user lets go of a layer that was added by itself.
   * @returns what went, from the top down
   * @throws CasError LAYER_NOT_FOUND, LAYER_NOT_HELD
   */
  async discard(chain: Digest): Promise<RemovedLayer[]> {
    await this.load();
    this.require(chain);
    if (!this.#holders.of(chain).includes(USER))
      throw new CasError('LAYER_NOT_HELD', { subject: chain, expected: USER });
    const directory = layerDirectory(this.#root, chain);
    await ifPresent(unlink(heldPath(directory)));
    await fsyncDirectory(directory);
    return this.release(chain, USER);
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
        number: this.#nextNumber(),
      });
      try {
        return await this.#changes.run(() => this.#commit(staged, parent, registration.holder));
      } catch (error) {
        await staged.discard();
        throw error;
      }
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

  /** All layers, once they are known. */
  async known(): Promise<readonly Layer[]> {
    void this.load().catch(() => undefined);
    await this.#read;
    return this.all();
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
    await removeStaging(this.#staging);
    for (const chain of users) this.#holders.add(chain, USER);
    for (const [chain, holder] of await held()) if (this.#layers.has(chain)) this.#holders.add(chain, holder);
    if (!complete) return;
    await payloads.keepOnly(new Set(layers.flatMap(({ set, uses }) => (set ? [set, ...uses] : uses))));
    await this.#changes.run(async () => {
      for (const { chain } of layers) await this.#removeFrom(chain);
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

  #nextNumber(): number {
    for (let tries = 0; tries <= MAX_NUMBER; tries++) {
      this.#lastNumber = (this.#lastNumber % MAX_NUMBER) + 1;
      if (!this.#numbers.has(this.#lastNumber)) return this.#lastNumber;
    }
    throw new CasError('LAYER_TOO_LARGE', { errno: 'ENOSPC', expected: `at most ${MAX_NUMBER} layers` });
  }

  /** The last step of a registration: where the chain is not there yet, one rename makes it so. */
  async #commit(staged: StagedLayer, parent: Layer | undefined, holder: Holder): Promise<Layer> {
    const chain = chainOf(parent?.chain, staged.record.diff);
    const there = this.#layers.get(chain);
    if (there !== undefined) {
      await staged.discard();
      this.#holders.add(chain, holder);
      return there;
    }
    const directory = layerDirectory(this.#root, chain);
    const layer = { ...staged.record, chain, depth: (parent?.depth ?? 0) + 1 };
    await this.#parts.index.enter(layer, staged.rows);
    if (holder === USER) await createFile(heldPath(staged.directory), '');
    await rename(staged.directory, directory);
    await fsyncDirectory(dirname(directory));
    this.#add(layer);
    this.#holders.add(chain, holder);
    this.changed(layer);
    return layer;
  }

  #add(layer: Layer): void {
    this.#layers.set(layer.chain, layer);
    this.#numbers.set(layer.number, layer);
    this.#lastNumber = Math.max(this.#lastNumber, layer.number);
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
    const { index, payloads } = this.#parts;
    const directory = layerDirectory(this.#root, layer.chain);
    const left = join(this.#staging, randomBytes(6).toString('hex'));
    // Before anything is waited for: whoever held it from now on would hold what is going, and the same chain after it.
    this.#layers.delete(layer.chain);
    this.#numbers.delete(layer.number);
    try {
      await rename(directory, left);
    } catch (error) {
      this.#layers.set(layer.chain, layer);
      this.#numbers.set(layer.number, layer);
      throw error;
    }
    await fsyncDirectory(dirname(directory));
    if (layer.set !== undefined) payloads.disown(layer.set);
    if (parent !== undefined) this.#holders.remove(parent.chain, childHolder(layer.chain));
    this.changed(layer);
    await index.remove(layer);
    await this.#forget(layer, splitPath(left));
    await promises.rm(left, { recursive: true, force: true });
    await this.#free(layer.set === undefined ? layer.uses : [layer.set, ...layer.uses]);
  }

  /** Removes the rows of the payloads that came with a layer. */
  async #forget({ set }: Layer, split: string): Promise<void> {
    const { index, payloads } = this.#parts;
    let some: Payload[] = [];
    const forget = async (): Promise<void> => {
      await index.apply(await payloads.index.forget(some));
      some = [];
    };
    for await (const { payload } of readSplitFile(split)) {
      if (payload !== undefined && payload.location.set === set) some.push(payload);
      if (some.length >= 1000) await forget();
    }
    await forget();
  }

  #free(sets: Iterable<string>): Promise<void> {
    return freeSets(sets, this.all(), this.#parts.payloads, (layer) => readSplitFile(this.splitOf(layer)));
  }
}
