import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';

/** Compresses what is read. @throws what the chunks throw */
export async function* gzipped(chunks: AsyncIterable<Buffer | string>): AsyncGenerator<Buffer> {
  const source = Readable.from(chunks);
  const gzip = createGzip();
  source.on('error', (error) => gzip.destroy(error)).pipe(gzip);
  try {
    for await (const chunk of gzip) yield chunk as Buffer;
  } finally {
    source.destroy();
    gzip.destroy();
  }
}
