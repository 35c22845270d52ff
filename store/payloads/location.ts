/** Where a payload lies below `<root>/payloads/`. */
export interface Location {
  /** The directory that it was stored into: 12 hex digits. */
  readonly set: string;
  /** Where it begins in the set's `pack`; undefined where it is a file of its own, named by its digest. */
  readonly offset?: number;
}

/** Bytes of a file of some layer, in the store once for all layers. */
export interface Payload {
  /** SHA-256 of the bytes, raw. */
  readonly digest: Buffer;
  readonly size: number;
  readonly location: Location;
}
