/** What a single layer may have; more is LAYER_TOO_LARGE. */
export interface LayerLimits {
  /** Names, those of directories that are only implied by others included. */
  readonly names: number;
  /** Bytes of the value of an extended attribute. */
  readonly xattrSize: number;
  /** Bytes of all extended attributes of an entry, names included. */
  readonly xattrs: number;
}

export const LAYER_LIMITS: LayerLimits = { names: 2_000_000, xattrSize: 64 << 10, xattrs: 1 << 20 };
