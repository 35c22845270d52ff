import type { Digest } from '../digest.js';

/** A layer on top of its parents. */
export interface Layer {
  /** Its ChainID: what it is known by. */
  readonly chain: Digest;
  /** Its DiffID: the digest of its tar. */
  readonly diff: Digest;
  readonly parent?: Digest;
  /** How many layers the chain has, itself included. */
  readonly depth: number;
  /** Unique among the layers of the store while it is there; from 1 to {@link MAX_NUMBER}. */
  readonly number: number;
  /** The size of its tar, in bytes. */
  readonly size: number;
  /** The entries of its tar. */
  readonly entries: number;
  /** The set of payloads that came with it; undefined where it brought nothing new. */
  readonly set?: string;
  /** Sets of other layers that have payloads of this one. */
  readonly uses: readonly string[];
  readonly createdAt: Date;
  /** The blob that it was registered from, where that was to have its DiffID, and has. */
  readonly blob?: Digest;
}

/** The highest number of a layer: what inode numbers have room for. */
export const MAX_NUMBER = 2 ** 20 - 2 ** 16 - 1;

/** A layer that was removed, as whoever released it is told. Sizes are those of tars, in bytes. */
export interface RemovedLayer {
  readonly chain: Digest;
  readonly diff: Digest;
  /** Of the whole chain. */
  readonly size: number;
  readonly diffSize: number;
}
