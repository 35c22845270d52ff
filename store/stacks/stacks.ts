import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { KeyedTurns } from '../keyed-turns.js';
import { type Holder, stackHolder } from '../layers/holders.js';
import type { Layer, RemovedLayer } from '../layers/layer.js';
import type { Held, Layers, Registration } from '../layers/layers.js';
import type { LayerSource } from '../layers/layer-source.js';
import type { Report } from '../report.js';
import { checkStackName, type Stack, type StackFiles } from './stack-files.js';

/**
 * The stacks of a store. Each holds the layer on its top, which holds those below; what is pushed is on the disk before
 * the stack says so, and what is popped goes after it.
 */
export class Stacks {
  readonly #files: StackFiles;
  readonly #layers: Layers;
  readonly #report: Report;
  readonly #stacks = new Map<string, Stack>();
  readonly #turns = new KeyedTurns();
  #loaded: Promise<void> | undefined;
  /** Called for each stack that has changed, come or gone. */
  changed: (name: string) => void = () => undefined;

  constructor(files: StackFiles, layers: Layers, report: Report) {
    this.#files = files;
    this.#layers = layers;
    this.#report = report;
  }

  /** Reads them and the layers, once. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  /** Call after {@link load}. */
  get(name: string): Stack | undefined {
    return this.#stacks.get(name);
  }

  /** All stacks, in no order. Call after {@link load}. */
  all(): readonly Stack[] {
    return [...this.#stacks.values()];
  }

  /** The layers of a stack, the lowest first. Call after {@link load}. */
  layersOf({ top }: Stack): readonly Layer[] {
    const layer = top && this.#layers.get(top);
    return layer === undefined ? [] : this.#layers.chain(layer);
  }

  /** @throws CasError STACK_EXISTS, STACK_INVALID */
  async make(name: string): Promise<void> {
    checkStackName(name);
    await this.load();
    await this.#turns.take(name, async () => {
      if (this.#stacks.has(name)) throw new CasError('STACK_EXISTS', { subject: name });
      await this.#set({ name });
    });
    this.#layers.prepare();
  }

  /**
   * Registers a layer on top of a stack.
   * @throws CasError STACK_NOT_FOUND, and what {@link Layers.register} throws
   */
  async push(
    name: string,
    source: LayerSource,
    how: Omit<Registration, 'parent' | 'holder' | 'blob'> = {},
  ): Promise<Layer> {
    await this.load();
    return this.#turns.take(name, async () => {
      const stack = this.require(name);
      const parent = stack.top;
      const holder = pushHolder(name);
      const layer = await this.#layers.register(source, { ...how, holder, ...(parent && { parent }) });
      return this.#replaceTop(stack, layer, holder);
    });
  }

  /**
   * Puts a layer that is there on top of a stack: one whose parent is the top, or any on an empty stack.
   * @throws CasError STACK_NOT_FOUND, LAYER_NOT_FOUND, LAYER_INVALID
   */
  async pushLayer(name: string, chain: Digest): Promise<Layer> {
    await this.load();
    return this.#turns.take(name, async () => {
      const stack = this.require(name);
      const layer = this.#layers.require(chain);
      if (stack.top !== undefined && layer.parent !== stack.top) {
        const found = layer.parent ?? 'a lowest layer';
        throw new CasError('LAYER_INVALID', { subject: chain, expected: `one on ${stack.top}`, found });
      }
      const holder = pushHolder(name);
      this.#layers.hold(chain, holder);
      return this.#replaceTop(stack, layer, holder);
    });
  }

  /**
   * Takes the top off a stack.
   * @returns the layers that nobody holds any more, from the top down
   * @throws CasError STACK_NOT_FOUND, LAYER_NOT_FOUND where it is empty; as Layers.checkRelease
   */
  async pop(name: string): Promise<RemovedLayer[]> {
    await this.load();
    return this.#turns.take(name, async () => {
      const { top } = this.require(name);
      if (top === undefined)
        throw new CasError('LAYER_NOT_FOUND', { subject: name, found: 'an empty stack' });
      const { parent } = this.#layers.require(top);
      await this.#layers.checkRelease(top, stackHolder(name));
      await this.#set({ name, ...(parent && { top: parent }) });
      if (parent !== undefined) this.#layers.hold(parent, stackHolder(name));
      return this.#layers.release(top, stackHolder(name));
    });
  }

  /**
   * Removes a stack, with whatever is on it.
   * @returns the layers that nobody holds any more, from the top down
   * @throws CasError STACK_NOT_FOUND; as Layers.checkRelease
   */
  async remove(name: string): Promise<RemovedLayer[]> {
    await this.load();
    return this.#turns.take(name, async () => {
      const { top } = this.require(name);
      if (top !== undefined) await this.#layers.checkRelease(top, stackHolder(name));
      await this.#files.remove(name);
      this.#stacks.delete(name);
      this.changed(name);
      return top === undefined ? [] : this.#layers.release(top, stackHolder(name));
    });
  }

  /**
   * Gives a stack another name.
   * @throws CasError STACK_NOT_FOUND, STACK_EXISTS, STACK_INVALID
   */
  async rename(name: string, to: string): Promise<void> {
    checkStackName(to);
    await this.load();
    await this.#takeBoth(name, to, async () => {
      const { top } = this.require(name);
      if (this.#stacks.has(to)) throw new CasError('STACK_EXISTS', { subject: to });
      await this.#set({ name: to, ...(top && { top }) });
      if (top !== undefined) this.#layers.hold(top, stackHolder(to));
      await this.#files.remove(name);
      this.#stacks.delete(name);
      this.changed(name);
      if (top !== undefined) await this.#layers.release(top, stackHolder(name));
    });
  }

  /** @throws CasError STACK_NOT_FOUND */
  require(name: string): Stack {
    const stack = this.#stacks.get(name);
    if (stack === undefined) throw new CasError('STACK_NOT_FOUND', { subject: name });
    return stack;
  }

  /** Acts once everyone before is done with both names. All wait in one order, so that no two wait for each other. */
  #takeBoth(name: string, other: string, action: () => Promise<void>): Promise<void> {
    const [first = '', second = first] = [...new Set([name, other])].sort();
    if (first === second) return this.#turns.take(first, action);
    return this.#turns.take(first, () => this.#turns.take(second, action));
  }

  /** Makes `layer`, which is held for the push, the top. */
  async #replaceTop({ name, top }: Stack, layer: Layer, holder: Holder): Promise<Layer> {
    try {
      await this.#set({ name, top: layer.chain });
      this.#layers.hold(layer.chain, stackHolder(name));
      if (top !== undefined && top !== layer.chain) await this.#layers.release(top, stackHolder(name));
    } finally {
      await this.#layers.release(layer.chain, holder);
    }
    return layer;
  }

  async #set(stack: Stack): Promise<void> {
    await this.#files.write(stack);
    this.#stacks.set(stack.name, stack);
    this.changed(stack.name);
  }

  async #load(): Promise<void> {
    await this.#layers.load();
    const { stacks, failures } = await this.#files.load();
    for (const stack of stacks) this.#stacks.set(stack.name, stack);
    for (const { message } of failures)
      this.#report({ level: 'error', message: 'a stack cannot be used', fields: { error: message } });
  }
}

/** Who holds a layer between its registration and the moment the stack has it. */
function pushHolder(name: string): Holder {
  return `push ${name}` as Holder;
}

/** Which layers stacks hold, as the disk says. */
export async function heldByStacks(files: StackFiles): Promise<Held> {
  const { stacks, failures } = await files.load();
  const holds = stacks.flatMap(({ name, top }) =>
    top === undefined ? [] : [[top, stackHolder(name)] as const],
  );
  return { holds, complete: failures.length === 0 };
}
