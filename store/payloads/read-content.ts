import type { FileContent } from '../tree/inode.js';
import type { PayloadReader } from './reader.js';

/**
 * Fills `into` with the bytes of a file from `offset`; holes are zeros.
 * @returns how many, fewer only at the end of the file
 * @throws CasError LAYER_DAMAGED
 */
export function readContent(
  reader: PayloadReader,
  content: FileContent,
  into: Uint8Array,
  offset: number,
): number | Promise<number> {
  const { size, payload, extents } = content;
  const length = Math.max(0, Math.min(into.length, size - offset));
  if (extents !== undefined)
    return readSparse(reader, { ...content, extents }, into.subarray(0, length), offset);
  return payload === undefined ? 0 : reader.read(payload, into.subarray(0, length), offset);
}

/** Fills all of `into`. */
async function readSparse(
  reader: PayloadReader,
  { payload, extents }: FileContent & Required<Pick<FileContent, 'extents'>>,
  into: Uint8Array,
  offset: number,
): Promise<number> {
  into.fill(0);
  let stored = 0;
  for (const extent of extents) {
    const start = Math.max(extent.offset, offset);
    const end = Math.min(extent.offset + extent.length, offset + into.length);
    if (start < end && payload !== undefined)
      await reader.read(payload, into.subarray(start - offset, end - offset), stored + start - extent.offset);
    stored += extent.length;
  }
  return into.length;
}
