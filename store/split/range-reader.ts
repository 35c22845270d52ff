/** Bytes of a known number that can be read from anywhere. */
export interface RangeReader {
  /** In bytes. */
  readonly size: number;
  /** Reads from `offset` on until `into` is full or the end is reached; the number of bytes, 0 at the end. */
  read(into: Uint8Array, offset: number): Promise<number>;
}
