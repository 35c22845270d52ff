import type { Digest } from '../digest.js';
import type { Holder } from './holders.js';
import type { Progress } from './split-tar.js';
import type { TarCheck } from './stage-layer.js';

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
  /** The blob that the source is, where `check` sees to it that the tar is what that is said to be. */
  readonly blob?: Digest;
}

/** Who holds which layer. */
export interface Held {
  readonly holds: readonly (readonly [Digest, Holder])[];
  /** Whether there is nobody else. */
  readonly complete: boolean;
}
