import type { FileContent } from '../tree/inode.js';
import type { PayloadReader } from './reader.js';

/**
 * Fills `into` with the bytes of a file from `offset`; holes are zeros.
 * @returns how many, fewer only at the end of the file
 * @throws CasError LAYER_DAMAGED
 */
export async function readContent(
  reader: PayloadReader,
  { size, payload, extents }: FileContent,
  into: Uint8Array,
  offset: number,
): Promise<number> {
  const length = Math.max(0, Math.min(into.length, size - offset));
  if (extents === undefined)
    return payload === undefined ? 0 : reader.read(payload, into.subarray(0, length), offset);
  into.fill(0, 0, length);
  let stored = 0;
  for (const extent of extents) {
    const start = Math.max(extent.offset, offset);
    const end = Math.min(extent.offset + extent.length, offset + length);
    if (start < end && payload !== undefined) {
      const at = into.subarray(start - offset, end - offset);
      await reader.read(payload, at, stored + start - extent.offset);
    }
    stored += extent.length;
  }
  return length;
}
