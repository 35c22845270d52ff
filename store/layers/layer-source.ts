import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Blobs } from '../blobs.js';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { isCode, read } from '../files.js';
import { foreign } from '../foreign.js';

/** Where the bytes of a layer come from: a tar, as it is or compressed. */
export interface LayerSource {
  /** How many bytes they are; undefined where that is not known. */
  readonly size: number | undefined;
  readonly bytes: AsyncIterable<Buffer>;
  /** Takes back a chunk that nobody needs any more, to read into it again. */
  readonly recycle?: (chunk: Buffer) => void;
}

type ReadAt = (into: Buffer, offset: number) => Promise<number>;

/** How much is read at a time: with 1 MiB each trip to the thread pool shows, 5 % of a registration. */
const PIECE = 4 << 20;

/** The first `size` bytes of an open file. The next piece is read while one is worked on. */
export function descriptorSource(fd: number, size: number): LayerSource {
  return readSource((into, offset) => read(fd, into, offset), size);
}

/** A stream that stays open when nobody reads on. */
export function streamSource(stream: Readable): LayerSource {
  return { size: undefined, bytes: stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer> };
}

/**
 * Reads a file from anywhere as a layer. Nothing waits for it but a thread of the pool, so that it may lie in a mount of
 * this process; it is closed when no read is under way any more.
 * @throws CasError LAYER_INVALID where it is no file; the system's error
 */
export function withFile<T>(path: string, use: (source: LayerSource) => Promise<T>): Promise<T> {
  // Without O_NONBLOCK a named pipe that nobody writes to would hold a thread for ever.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  return using(
    foreign(() => open(path, flags)),
    foreign,
    async (source) => {
      if (source === undefined) throw new CasError('LAYER_INVALID', { subject: path, expected: 'a file' });
      return use(source);
    },
  );
}

/**
 * Reads a blob as a layer.
 * @throws CasError BLOB_NOT_FOUND; the system's error
 */
export function withBlob<T>(
  blobs: Blobs,
  digest: Digest,
  use: (source: LayerSource) => Promise<T>,
): Promise<T> {
  const opened = open(blobs.path(digest), constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    (error: unknown) => {
      throw isCode(error, 'ENOENT')
        ? new CasError('BLOB_NOT_FOUND', { subject: digest, cause: error })
        : error;
    },
  );
  return using(
    opened,
    (read) => read(),
    async (source) => {
      if (source === undefined) throw new CasError('BLOB_NOT_FOUND', { subject: digest });
      return use(source);
    },
  );
}

/** FileHandle.close waits for the reads under way: whoever is interrupted lets go of a source in the middle of one. */
async function using<T>(
  opened: Promise<FileHandle>,
  through: <R>(operation: () => Promise<R>) => Promise<R>,
  use: (source: LayerSource | undefined) => Promise<T>,
): Promise<T> {
  const handle = await opened;
  try {
    const stats = await through(() => handle.stat());
    const readAt: ReadAt = async (into, offset) =>
      (await through(() => handle.read(into, 0, into.length, offset))).bytesRead;
    return await use(stats.isFile() ? readSource(readAt, stats.size) : undefined);
  } finally {
    await handle.close();
  }
}

/** New memory for each piece of a large layer costs more in garbage collection than its bytes are copied in. */
function readSource(readAt: ReadAt, size: number): LayerSource {
  const spare: Buffer[] = [];
  return {
    size,
    bytes: pieces(readAt, size, spare),
    recycle: (chunk) => void spare.push(Buffer.from(chunk.buffer)),
  };
}

async function* pieces(readAt: ReadAt, size: number, spare: Buffer[]): AsyncGenerator<Buffer> {
  const readPiece = async (offset: number): Promise<Buffer> => {
    const bytes = spare.pop() ?? Buffer.allocUnsafeSlow(Math.min(PIECE, size));
    return bytes.subarray(0, await readAt(bytes.subarray(0, Math.min(PIECE, size - offset)), offset));
  };
  let next = readPiece(0);
  try {
    for (let offset = 0; offset < size;) {
      const bytes = await next;
      if (bytes.length === 0) return;
      offset += bytes.length;
      next = offset < size ? readPiece(offset) : Promise.resolve(bytes);
      // It fails for whoever waits for it, if anybody does.
      next.catch(() => undefined);
      yield bytes;
    }
  } finally {
    // The descriptor must not be closed below a read.
    await next.catch(() => undefined);
  }
}
