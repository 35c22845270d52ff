import type { TransformOptions } from 'node:stream';
import { createGunzip, type Gunzip, type ZlibOptions } from 'node:zlib';
import { CasError } from '../errors.js';
import type { Source } from './source.js';

/** Bytes of an output chunk. */
const CHUNK_SIZE = 1024 * 1024;
const OPTIONS: ZlibOptions & TransformOptions = {
  chunkSize: CHUNK_SIZE,
  readableHighWaterMark: CHUNK_SIZE,
};

/**
 * Decompresses gzip: members one after the other, and zeros after the last, as tape blocks and signatures leave
 * them. node:zlib checks the CRC and size of each member, and works on the thread pool.
 *
 * @throws CasError LAYER_INVALID
 */
export async function* gunzipped(input: Source): AsyncGenerator<Buffer, void> {
  const gunzip = createGunzip(OPTIONS);
  const fed = feed(input, gunzip);
  // It is awaited below, but may fail before.
  fed.catch(() => undefined);
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) yield chunk;
    await fed;
  } catch (error) {
    throw isZlibError(error) ? invalid(gunzip.bytesWritten, error.message, error) : error;
  } finally {
    gunzip.destroy();
  }
}

/** Writes all of the input, and looks at what zlib leaves of it: it stops for good at a zero after a member. */
async function feed(input: Source, gunzip: Gunzip): Promise<void> {
  try {
    let offset = 0;
    for (let chunk = await input.next(); chunk; chunk = await input.next()) {
      if (!gunzip.readableEnded) await written(gunzip, chunk);
      if (gunzip.destroyed && !gunzip.readableEnded) return;
      // Nothing, while there are members: zlib uses all it is given until the last of them has ended.
      const rest = chunk.subarray(Math.max(0, gunzip.bytesWritten - offset));
      const garbage = rest.findIndex((byte) => byte !== 0);
      offset += chunk.length;
      if (garbage >= 0) throw invalid(offset - rest.length + garbage, 'something else after the end');
    }
    if (!gunzip.readableEnded) gunzip.end();
  } catch (error) {
    gunzip.destroy(error as Error);
    throw error;
  }
}

/** Settles once zlib has done with the chunk, or with all. */
function written(gunzip: Gunzip, chunk: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      gunzip.off('end', done).off('close', done);
      resolve();
    };
    gunzip.once('end', done).once('close', done);
    gunzip.write(chunk, done);
  });
}

function isZlibError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && /^Z_(DATA|BUF)_ERROR$/.test((error as NodeJS.ErrnoException).code ?? '');
}

function invalid(offset: number, found: string, cause?: Error): CasError {
  return new CasError('LAYER_INVALID', { subject: `gzip, byte ${offset}`, found, cause });
}
