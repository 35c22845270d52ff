import { close } from '../../store/files.js';
import { passingHolder } from '../../store/layers/holders.js';
import { readContent } from '../../store/payloads/read-content.js';
import type { FileContent } from '../../store/tree/inode.js';
import { FsError } from '../errors.js';
import type { FileHandle } from '../node.js';
import type { View } from './view.js';

/**
 * Opens a file of a view. One whose bytes are a file below is read there by the kernel itself; its layer stays as long as
 * it is open.
 */
export async function openViewFile({ layer, layers }: View, content: FileContent): Promise<FileHandle> {
  const holder = passingHolder('open file');
  const held = layers.hold(layer.chain, holder);
  try {
    // The same chain can have gone and come again since.
    if (held !== layer) throw new FsError('ESTALE');
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

/**
 * Fills `into` from `offset`. Nothing keeps the layer meanwhile.
 * @throws FsError ESTALE where it has gone
 */
export function readViewFile(
  { layer, layers }: View,
  content: FileContent,
  into: Uint8Array,
  offset: number,
): number | Promise<number> {
  const failed = (error: unknown): never => {
    throw layers.numbered(layer.number) === layer ? error : new FsError('ESTALE');
  };
  try {
    const read = readContent(layers.payloads.reader, content, into, offset);
    return read instanceof Promise ? read.catch(failed) : read;
  } catch (error) {
    return failed(error);
  }
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
