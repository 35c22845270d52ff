import { close } from '../../store/files.js';
import { passingHolder } from '../../store/layers/holders.js';
import { readContent } from '../../store/payloads/read-content.js';
import type { FileContent } from '../../store/tree/inode.js';
import type { FileHandle } from '../node.js';
import type { View } from './view.js';

/**
 * Opens a file of a view. One whose bytes are a file below is read there by the kernel itself; its layer stays as long as
 * it is open.
 */
export async function openViewFile({ layer, layers }: View, content: FileContent): Promise<FileHandle> {
  const holder = passingHolder('open file');
  layers.hold(layer.chain, holder);
  try {
    const backing = await backingOf(layers.payloads, content);
    return {
      mode: { keepCache: true, noFlush: true, ...(backing !== undefined && { backing }) },
      read: (into, offset) => readContent(layers.payloads.reader, content, into, offset),
      sync: () => undefined,
      release: async () => {
        if (backing !== undefined) await close(backing);
        await layers.release(layer.chain, holder);
      },
    };
  } catch (error) {
    await layers.release(layer.chain, holder);
    throw error;
  }
}

/** Fills `into` from `offset`. */
export function readViewFile(
  { layers }: View,
  content: FileContent,
  into: Uint8Array,
  offset: number,
): number | Promise<number> {
  return readContent(layers.payloads.reader, content, into, offset);
}

/** A descriptor that holds exactly the bytes of the file, where there is one. */
async function backingOf(
  payloads: View['layers']['payloads'],
  { payload, extents }: FileContent,
): Promise<number | undefined> {
  if (payload === undefined || payload.location.offset !== undefined || extents !== undefined)
    return undefined;
  return payloads.reader.open(payload);
}
