import { CasError } from '../errors.js';
import type { TarEntry } from './entry.js';
import { TarFramer } from './framer.js';
import { NO_LIMITS } from './limits.js';

const ignore = (): void => undefined;

/**
 * The entry whose headers stand in raw bytes that a {@link TarFramer} gave: the same that it gave with them. A sparse
 * file needs nothing else, as its map is in them.
 *
 * @param raw all raw bytes between the data of the entry before and the end of this one's header
 * @param skip how many bytes of them are padding of that data: see {@link paddingAfter}
 * @throws CasError LAYER_DAMAGED where they are no headers of an entry
 */
export function decodeEntry(raw: Buffer, skip: number): TarEntry {
  const found: { entry?: TarEntry } = {};
  let rest = raw.length - skip;
  const framer = new TarFramer(
    {
      raw: (bytes) => (rest -= bytes.length),
      entry: (entry) => {
        if (rest > 0) throw new CasError('LAYER_DAMAGED', { subject: entry.name, expected: 'one entry' });
        found.entry = entry;
      },
      data: ignore,
      dataEnd: ignore,
    },
    { ...NO_LIMITS, extendedHeader: raw.length },
  );
  try {
    framer.push(raw.subarray(skip));
  } catch (error) {
    throw new CasError('LAYER_DAMAGED', { subject: 'the headers of an entry', cause: error });
  }
  if (!found.entry) throw new CasError('LAYER_DAMAGED', { expected: 'the headers of an entry' });
  return found.entry;
}

/** How many bytes of padding follow `stored` bytes of data. */
export function paddingAfter(stored: number): number {
  return (512 - (stored % 512)) % 512;
}
