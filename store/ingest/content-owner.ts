import type { Damage } from './damage.js';
import type { Life } from './life.js';
import type { RecordKeeper } from './record-keeper.js';

/** What content asks of the ingest it belongs to. */
export interface ContentOwner {
  /** Gives the ingest a directory, in which checkpoints can be saved. */
  readonly settle: () => Promise<unknown>;
  /** That directory; undefined before and after. */
  readonly directory: () => string | undefined;
  /** Whether containerd keeps it. */
  readonly isShared: () => boolean;
  /** Whether it is neither being committed or removed nor gone. */
  readonly isOpen: () => boolean;
  /**
   * What a change must wait for, before it asks again.
   * @throws CasError INGEST_SEALED
   */
  readonly decision: () => Promise<void> | undefined;
  /** Why nothing more can be written. */
  readonly spoilt: () => Error | undefined;
  /** Bytes above `proven` are not those that were written. */
  readonly damaged: (proven: number) => void;
}

/** The owner that an ingest of these parts is. */
export function ownerOf(keeper: RecordKeeper, life: Life, damage: Damage): ContentOwner {
  return {
    settle: () => keeper.settle(),
    isShared: () => keeper.record.shared === true,
    isOpen: () => life.state === 'open',
    decision: () => life.decision(keeper.record.ref),
    spoilt: () => damage.error,
    // Once it has ended, the directory may be another's of the same ref.
    directory: () => (life.state === 'ended' ? undefined : keeper.record.directory),
    damaged: (proven) => damage.found(proven),
  };
}
