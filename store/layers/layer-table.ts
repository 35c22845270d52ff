import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { type Layer, MAX_NUMBER } from './layer.js';

/** The layers that are there, by chain and by number. */
export class LayerTable {
  readonly #chains = new Map<Digest, Layer>();
  readonly #numbers = new Map<number, Layer>();
  #lastNumber = 0;

  get(chain: Digest): Layer | undefined {
    return this.#chains.get(chain);
  }

  numbered(number: number): Layer | undefined {
    return this.#numbers.get(number);
  }

  /** All, in no order. */
  all(): readonly Layer[] {
    return [...this.#chains.values()];
  }

  /** A layer and those below it, the lowest first. */
  chain(top: Layer): Layer[] {
    const layers: Layer[] = [];
    for (let next: Layer | undefined = top; next; next = next.parent && this.#chains.get(next.parent))
      layers.push(next);
    return layers.reverse();
  }

  add(layer: Layer): void {
    this.#chains.set(layer.chain, layer);
    this.#numbers.set(layer.number, layer);
    this.skip(layer.number);
  }

  remove({ chain, number }: Layer): void {
    this.#chains.delete(chain);
    this.#numbers.delete(number);
  }

  /** Has a number that something is left of not be given soon. */
  skip(number: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }

  /** A number that no layer has, and that none had not long ago. */
  nextNumber(): number {
    for (let tries = 0; tries <= MAX_NUMBER; tries++) {
      this.#lastNumber = (this.#lastNumber % MAX_NUMBER) + 1;
      if (!this.#numbers.has(this.#lastNumber)) return this.#lastNumber;
    }
    throw new CasError('LAYER_TOO_LARGE', { errno: 'ENOSPC', expected: `at most ${MAX_NUMBER} layers` });
  }
}
