import type { ByteText, TarEntry } from './entry.js';

/**
 * What a framer tells, in the order of the tar. All bytes given to `raw` and `data`, one after the other, are the tar.
 * They may be views of what was pushed.
 */
export interface TarSink {
  /** Headers, sparse maps, padding, and all from the end of the archive on. */
  raw(bytes: Buffer): void;
  /**
   * An entry. The raw bytes since the data of the last one end with its header and, where it is sparse, its map.
   *
   * @param declared the size that the headers declare, whatever the type
   */
  entry(entry: TarEntry, declared: number): void;
  /** Of the `stored` bytes of the entry. */
  data(bytes: Buffer): void;
  /** After the last of the `stored` bytes; only where there are any. */
  dataEnd(): void;
  /** A global pax header (type g), which is no entry; the raw bytes so far end with its body. It is not applied. */
  global?(name: ByteText): void;
  /** The raw bytes so far end with the two zero blocks, or with the input; what follows is beyond the archive. */
  archiveEnd?(): void;
}
