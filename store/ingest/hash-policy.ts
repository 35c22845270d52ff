/** How an ingest is hashed. */
export interface HashPolicy {
  /**
   * `auto`: bytes that were hashed as they were written are not read again by the commit. `always`: all bytes are.
   */
  readonly verify: 'auto' | 'always';
  /** How many bytes are written before the state of the hash is saved again; Infinity: it is when the file is closed. */
  readonly checkpoint: number;
}
