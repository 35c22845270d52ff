import { CasError } from '../errors.js';
import { safeJson } from '../json.js';
import type { ByteText } from '../tar/entry.js';
import { crc64 } from './crc64.js';
import { DistinctNames } from './distinct-names.js';
import { parseTarSplit, type TarSplitItem } from './tar-split-line.js';

/**
 * What the lines of a tar-split.json hold, in order. It keeps the names of all files in memory. Empty lines are passed
 * over.
 *
 * @throws CasError LAYER_INVALID where a line is not exactly what tar-split writes, or a path comes twice
 */
export async function* importTarSplit(
  lines: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<TarSplitItem> {
  const names = new DistinctNames();
  let position = 0;
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const item = parseTarSplit(line, position++);
    if (item.type === 'file' && !names.add(item.name)) {
      throw new CasError('LAYER_INVALID', { subject: safeJson(item.name), expected: 'every path once' });
    }
    yield item;
  }
}

/**
 * The tar that items tell of, piece by piece. A piece is given before the checksum of its file is known.
 *
 * @param read the bytes of a file; asked where an item declares a size, so of a link that does it must give none
 * @throws CasError LAYER_DAMAGED where the bytes of a file are not those that the checksum was made of
 */
export async function* assembleTarSplit(
  items: AsyncIterable<TarSplitItem> | Iterable<TarSplitItem>,
  read: (name: ByteText) => AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const crc = await crc64();
  for await (const item of items) {
    if (item.type === 'segment') {
      yield item.bytes;
      continue;
    }
    if (!item.crc) continue;
    let size = 0;
    for await (const bytes of read(item.name)) {
      size += bytes.length;
      if (size > item.size) throw checksumFailed(item.name);
      crc.update(bytes);
      yield bytes;
    }
    if (!crc.digest().equals(item.crc)) throw checksumFailed(item.name);
  }
}

function checksumFailed(name: ByteText): CasError {
  return new CasError('LAYER_DAMAGED', { subject: `file integrity checksum failed for ${safeJson(name)}` });
}
