import { hexOf } from '../digest.js';
import { createHasher } from '../hasher/engines.js';
import type { Payload } from './location.js';
import { damaged, type PayloadReader } from './reader.js';

const PIECE = 1 << 20;

/**
 * The bytes of a payload, in pieces of up to 1 MiB that are the caller's. They are good only if no error came.
 * @throws CasError LAYER_DAMAGED where bytes are missing or wrong
 */
export async function* wholePayload(reader: PayloadReader, payload: Payload): AsyncGenerator<Buffer> {
  const { size, location, digest } = payload;
  const read = async (offset: number): Promise<Buffer> => {
    const bytes = Buffer.allocUnsafe(Math.min(PIECE, size - offset));
    await reader.read(payload, bytes, offset);
    return bytes;
  };
  if (location.offset !== undefined && size <= PIECE) {
    // The reader checks it.
    yield read(0);
    return;
  }
  const hasher = await createHasher('sha256');
  try {
    for (let offset = 0; offset < size; offset += PIECE) {
      const bytes = await read(offset);
      await hasher.update(bytes);
      yield bytes;
    }
    const found = hexOf(hasher.digest());
    if (found !== digest.toString('hex')) throw damaged(payload, 'these bytes', `sha256:${found}`);
  } finally {
    hasher.dispose();
  }
}
