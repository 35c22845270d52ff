import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';

/** Who keeps a layer: a child, a stack, who is reading it. One holder holds a layer once. */
export type Holder = string & { readonly [brand]: 'Holder' };
declare const brand: unique symbol;

/** A layer on top, which holds its parent as long as it is there. */
export function childHolder(chain: Digest): Holder {
  return `child ${chain}` as Holder;
}

/** A stack, which holds its top. */
export function stackHolder(name: string): Holder {
  return `stack ${name}` as Holder;
}

/** The user, who added the layer by itself and will remove it by itself. */
export const USER = 'user' as Holder;

/** Somebody of whom it cannot be told now whether they need the layer. */
export const DOUBT = 'doubt' as Holder;

/** Whoever it may be that needs a layer that was there at the start, when that could not be told. */
export const KEPT = 'kept' as Holder;

let count = 0;

/** Somebody who needs a layer for a while, but not beyond the end of this process. */
export function passingHolder(doing: string): Holder {
  count++;
  return `${doing} ${count}` as Holder;
}

/** Who holds which layer. */
export class Holders {
  readonly #held = new Map<Digest, Set<Holder>>();

  add(chain: Digest, holder: Holder): void {
    const holders = this.#held.get(chain) ?? new Set();
    this.#held.set(chain, holders.add(holder));
  }

  /** @throws CasError LAYER_NOT_HELD */
  remove(chain: Digest, holder: Holder): void {
    const holders = this.#held.get(chain);
    if (holders?.delete(holder) !== true)
      throw new CasError('LAYER_NOT_HELD', { subject: chain, expected: holder });
    if (holders.size === 0) this.#held.delete(chain);
  }

  of(chain: Digest): readonly Holder[] {
    return [...(this.#held.get(chain) ?? [])];
  }

  has(chain: Digest): boolean {
    return this.#held.has(chain);
  }
}
