/** What read(2) gives of bytes in memory: nothing beyond their end, where Buffer.copy throws. */
export function readBytes(bytes: Buffer, into: Uint8Array, offset: number): number {
  return offset < bytes.length ? bytes.copy(into, 0, offset) : 0;
}
