import type { Payload } from '../payloads/location.js';

/**
 * A stretch of a tar: bytes that are kept as they are, and then the bytes of at most one file. All records of a tar,
 * one after the other, are the tar. A record whose raw bytes hold a header of an entry ends with it, or with the map of
 * ranges that follows it where the file is sparse; the entry is what the headers in it say. Padding of a file's data
 * stands at the beginning of the next record.
 */
export interface SplitRecord {
  readonly raw: Buffer;
  /** Whether the raw bytes end with the header of an entry. */
  readonly entry: boolean;
  /** What follows: only where the entry has data. */
  readonly payload?: Payload;
}
