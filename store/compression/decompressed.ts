import { CasError } from '../errors.js';
import { type Format, formatOf, MAGIC_SIZE } from './format.js';
import { gunzipped } from './gzip.js';
import { Source } from './source.js';
import { unzstd } from './zstd.js';

export interface Limits {
  /** How many bytes may come out. */
  readonly maxSize?: number;
  readonly signal?: AbortSignal;
}

export interface Decompressed {
  readonly format: Format;
  /**
   * What the source holds, decompressed, in chunks of at most about 1 MiB that are the reader's own; those of a plain
   * tar are the source's. It is read once, and has to be read to its end or closed by `return()`, as `for await` does.
   */
  readonly bytes: AsyncGenerator<Buffer, void>;
}

/**
 * Begins to decompress a layer: reads the first bytes of `source`, which tell the format. Nothing is read ahead of the
 * reader but what fills a chunk or two. However it ends, the source is closed and all memory given back; an abort
 * ends it with the signal's reason.
 *
 * The bytes end with one of these where they are wrong, once the bytes before are read:
 * @throws CasError LAYER_INVALID where what is compressed is cut short, damaged or followed by something else
 * @throws CasError LAYER_TOO_LARGE where more than `maxSize` bytes come out
 * @throws CasError ZSTD_MISSING where it is zstd and the system has no library for it
 */
export async function decompressed(
  source: AsyncIterable<Buffer>,
  { maxSize = Infinity, signal }: Limits = {},
): Promise<Decompressed> {
  let format: Format = 'tar';
  const bytes = limited();
  // A generator closes its source only once it has begun: it begins here, and stops where the format is known.
  await bytes.next();
  return { format, bytes };

  async function* limited(): AsyncGenerator<Buffer, void> {
    const input = new Source(source, signal);
    try {
      format = formatOf(await input.peek(MAGIC_SIZE));
      yield Buffer.alloc(0);
      let size = 0;
      for await (const chunk of DECODERS[format](input)) {
        size += chunk.length;
        if (size > maxSize)
          throw new CasError('LAYER_TOO_LARGE', { subject: format, expected: `at most ${maxSize} bytes` });
        yield chunk;
        signal?.throwIfAborted();
      }
    } finally {
      await input.close();
    }
  }
}

const DECODERS: Readonly<Record<Format, (input: Source) => AsyncGenerator<Buffer, void>>> = {
  tar: plain,
  gzip: gunzipped,
  zstd: unzstd,
};

async function* plain(input: Source): AsyncGenerator<Buffer, void> {
  for (let chunk = await input.next(); chunk; chunk = await input.next()) yield chunk;
}
