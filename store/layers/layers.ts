import { join } from 'node:path';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { ensureDirectory } from '../files.js';
import { Lane } from '../lane.js';
import type { Payloads } from '../payloads/payloads.js';
import type { Report } from '../report.js';
import type { AssembledTar } from '../split/assembled-tar.js';
import type { TreeReader } from '../tree/reader.js';
import { buildOwnTree } from './build-tree.js';
import { MAX_DEPTH } from './chain.js';
import { type Holder, passingHolder, USER } from './holders.js';
import type { Layer, RemovedLayer } from './layer.js';
import { layerDirectory, removeHeld, splitPath } from './layer-record.js';
import type { LayerIndex } from './layer-index.js';
import { type Claims, LayerChanges, setsOf } from './layer-changes.js';
import type { LayerLimits } from './limits.js';
import { leftLayers, type LoadedLayers, loadLayers } from './load-layers.js';
import type { LayerSource } from './layer-source.js';
import type { Held, Registration } from './registration.js';
import { stageLayer } from './stage-layer.js';

export type { Held, Registration };

interface Parts {
  readonly index: LayerIndex;
  readonly payloads: Payloads;
  readonly limits: LayerLimits;
  /** Puts each tar together again before it is taken. */
  readonly verify: boolean;
  readonly report: Report;
  /** Who holds which of these layers from run to run, layers on top and the user aside. */
  readonly held: (layers: readonly Layer[]) => Promise<Held>;
}

/**
 * The layers of a store, by chain. A layer is there as long as somebody holds it: a layer on top, a stack, the user. Its
 * truth on the disk is `<root>/layers/sha256/<hex of the chain>/`, which comes into being by one rename of a directory
 * that was staged and synced beside it, and with it the rows of the {@link LayerIndex}, which can be made again.
 */
export class Layers {
  readonly #parts: Parts;
  readonly #state: LayerChanges;
  /** The commits of registrations, and removals. */
  readonly #changes = new Lane();
  #loaded: Promise<void> | undefined;
  #read: Promise<LoadedLayers> | undefined;

  constructor(root: string, parts: Parts) {
    this.#parts = parts;
    this.#state = new LayerChanges(join(root, 'layers'), parts);
  }

  /** Has `changed` called for each layer that has come or gone. */
  onChange(changed: (layer: Layer) => void): void {
    this.#state.listeners.push(changed);
  }

  /** Has `claims` asked before a layer goes. */
  set claims(claims: Claims) {
    this.#state.claims = claims;
  }

  /** Reads what earlier runs left, once. What was being registered or removed is taken away, and what nobody holds. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  /** Reads what earlier runs left and, where that is anything, opens the index, in the background. */
  start(): void {
    this.load().then(
      () => {
        if (this.all().length > 0) this.#parts.index.start();
      },
      (error: unknown) => this.#state.tell('layers cannot be read', { error: String(error) }),
    );
  }

  /** Makes what the first layer needs, in the background: somebody is about to bring one. */
  prepare(): void {
    this.#makeDirectories().then(
      () => this.#parts.index.start(),
      () => undefined,
    );
  }

  /** The layer of a chain. Call after {@link load}. */
  get(chain: Digest): Layer | undefined {
    return this.#state.layers.get(chain);
  }

  /** The layer with a number. Call after {@link load}. */
  numbered(number: number): Layer | undefined {
    return this.#state.layers.numbered(number);
  }

  /** All layers, in no order. Call after {@link load}. */
  all(): readonly Layer[] {
    return this.#state.layers.all();
  }

  /** A layer and those below it, the lowest first. */
  chain(top: Layer): Layer[] {
    return this.#state.layers.chain(top);
  }

  /** Who holds a layer. */
  holdersOf(chain: Digest): readonly Holder[] {
    return this.#state.holders.of(chain);
  }

  /** @throws CasError LAYER_NOT_FOUND */
  require(chain: Digest): Layer {
    const layer = this.#state.layers.get(chain);
    if (layer === undefined) throw new CasError('LAYER_NOT_FOUND', { subject: chain });
    return layer;
  }

  /** @throws CasError LAYER_NOT_FOUND */
  hold(chain: Digest, holder: Holder): Layer {
    const layer = this.require(chain);
    this.#state.holders.add(chain, holder);
    return layer;
  }

  /**
   * Lets go of a layer. Without holders it goes, and then each one below that only it held.
   * @returns what went, from the top down; nothing for a layer that is not there
   * @throws CasError LAYER_NOT_HELD
   */
  async release(chain: Digest, holder: Holder): Promise<RemovedLayer[]> {
    if (!this.#state.layers.get(chain)) return [];
    this.#state.holders.remove(chain, holder);
    if (this.#state.holders.has(chain)) return [];
    return this.#changes.run(() => this.#state.removeFrom(chain));
  }

  /**
   * Makes sure that a layer can be let go of: where it would go, it is known that nobody else needs it.
   * @throws CasError LAYER_HELD
   */
  checkRelease(chain: Digest, holder: Holder): Promise<void> {
    return this.#state.checkRelease(chain, holder);
  }

  /**
   * The user, who added a layer by itself, lets go of it. It goes unless others hold it; see {@link release}.
   * @returns what went, from the top down
   * @throws CasError LAYER_NOT_FOUND, LAYER_NOT_HELD; as {@link checkRelease}
   */
  async discard(chain: Digest): Promise<RemovedLayer[]> {
    await this.load();
    return this.#changes.run(async () => {
      this.require(chain);
      if (!this.#state.holders.of(chain).includes(USER))
        throw new CasError('LAYER_NOT_HELD', { subject: chain, expected: USER });
      await this.checkRelease(chain, USER);
      await removeHeld(layerDirectory(this.#state.root, chain));
      this.#state.holders.remove(chain, USER);
      return this.#state.removeFrom(chain);
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
      const context = { ...this.#parts, staging: this.#state.staging, writer };
      const staged = await stageLayer(context, source, parent, {
        ...registration,
        number: this.#state.layers.nextNumber(),
      });
      return await this.#changes.run(() => this.#state.commit(staged, parent, registration.holder));
    } finally {
      payloads.end(writer);
      await this.#changes.run(() => this.#state.free(writer.used));
    }
  }

  /** The merged tree of a layer and those below it. */
  tree(layer: Layer): Promise<TreeReader> {
    return this.#parts.index.tree(layer);
  }

  /**
   * The tree of what a layer itself has, as overlayfs takes it for one of its lower directories. It is made when it is
   * first asked for.
   * @throws CasError LAYER_NOT_FOUND, LAYER_INVALID where overlayfs cannot have it, LAYER_DAMAGED; the signal's reason
   */
  async ownTree(layer: Layer, signal?: AbortSignal): Promise<TreeReader> {
    const { index } = this.#parts;
    return this.#holding(layer, async () => {
      if (this.get(layer.chain) !== layer) throw new CasError('LAYER_NOT_FOUND', { subject: layer.chain });
      const made = await index.ownTree(layer);
      if (made !== undefined) return made;
      const builder = await index.builder(layer.parent && this.require(layer.parent));
      const tree = await buildOwnTree(builder, this.splitOf(layer), signal);
      await this.#changes.run(() => index.enterOwnTree(layer, tree));
      const entered = await index.ownTree(layer);
      if (entered === undefined) throw new CasError('LAYER_DAMAGED', { subject: layer.chain });
      return entered;
    });
  }

  /** A layer's own tar, put together again. */
  tar(layer: Layer): Promise<AssembledTar> {
    return this.#parts.index.tar(layer);
  }

  /** The path of the file that holds a layer's tar but for its payloads. */
  splitOf({ chain }: Layer): string {
    return splitPath(layerDirectory(this.#state.root, chain));
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
    this.hold(layer.chain, holder);
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
    this.#state.complete = complete;
    for (const chain of users) this.#state.holders.add(chain, USER);
    const { holds, complete: allHeld } = await held(layers);
    for (const [chain, holder] of holds)
      if (this.#state.layers.get(chain)) this.#state.holders.add(chain, holder);
    await this.#changes.run(async () => {
      const left = await leftLayers(this.#state.staging);
      for (const { directory, record } of left) await this.#state.clear(record, directory);
      if (!complete || !allHeld) await this.#state.keep(layers);
      if (!complete) return;
      await payloads.keepOnly(new Set(layers.flatMap(setsOf)));
      await this.#state.free(new Set(left.flatMap(({ record }) => setsOf(record))));
      if (!allHeld) return;
      for (const { chain } of layers)
        await this.#state.removeFrom(chain).catch((error: unknown) => {
          this.#state.tell('a layer that nobody holds cannot be removed', { chain, error: String(error) });
        });
    });
  }

  async #readRecords(): Promise<LoadedLayers> {
    const loaded = await loadLayers(this.#state.root, this.#parts.report);
    for (const layer of loaded.layers) this.#state.add(layer);
    return loaded;
  }

  async #makeDirectories(): Promise<void> {
    for (const path of [this.#state.root, this.#state.staging, join(this.#state.root, 'sha256')])
      await ensureDirectory(path, 0o700);
  }
}
