/** What content asks of the ingest it belongs to. */
export interface ContentOwner {
  /** Gives the ingest a directory, in which checkpoints can be saved. */
  readonly settle: () => Promise<unknown>;
  /** That directory; undefined before and after. */
  readonly directory: () => string | undefined;
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
