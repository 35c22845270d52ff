/** What a layer may be at most. */
export interface LayerLimits {
  /** Bytes of its tar. */
  readonly size: number;
  /** Entries of its tar. */
  readonly entries: number;
}

/** An upper bound for what a mistake or a decompression bomb may fill the disk with: more than any image has. */
export const LAYER_LIMITS: LayerLimits = { size: 2 ** 40, entries: 2_000_000 };
