import { constants } from 'node:fs';
import { close, open, read } from '../files.js';

/** Where the bytes of a layer come from: a tar, as it is or compressed. */
export interface LayerSource {
  /** How many bytes they are. */
  readonly size: number;
  readonly bytes: AsyncIterable<Buffer>;
}

const PIECE = 1 << 20;

/** The first `size` bytes of an open file. The next piece is read while one is worked on. */
export function descriptorSource(fd: number, size: number): LayerSource {
  return { size, bytes: pieces(fd, size) };
}

/** Reads a file as a layer. */
export async function withFile<T>(
  path: string,
  size: number,
  use: (source: LayerSource) => Promise<T>,
): Promise<T> {
  const fd = await open(path, constants.O_RDONLY);
  try {
    return await use(descriptorSource(fd, size));
  } finally {
    await close(fd);
  }
}

async function* pieces(fd: number, size: number): AsyncGenerator<Buffer> {
  const readAt = (offset: number): Promise<Buffer> => piece(fd, offset, Math.min(PIECE, size - offset));
  let next = readAt(0);
  try {
    for (let offset = 0; offset < size;) {
      const bytes = await next;
      if (bytes.length === 0) return;
      offset += bytes.length;
      next = offset < size ? readAt(offset) : Promise.resolve(bytes);
      yield bytes;
    }
  } finally {
    // The descriptor must not be closed below a read.
    await next.catch(() => undefined);
  }
}

async function piece(fd: number, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  return bytes.subarray(0, await read(fd, bytes, offset));
}
