import type { Blocks } from './blocks.js';
import type { Ledger } from './ledger.js';
import type { Payload } from './location.js';
import type { SetDirectory } from './set-directory.js';

/** A payload that was given to a writer. */
export interface PendingPayload {
  /** Undefined until its digest is known and it is stored: at the latest after `settle()`. */
  readonly payload: Payload | undefined;
}

/** The same as the writer sees it. */
export interface Pending {
  payload: Payload | undefined;
}

/** What both kinds of payloads are written with. */
export interface Destination {
  readonly directory: SetDirectory;
  readonly blocks: Blocks;
  readonly ledger: Ledger;
  /** Waits for work that was begun; its failure is the writer's. */
  readonly follow: (work: Promise<unknown>) => void;
}
