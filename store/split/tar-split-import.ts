import { CasError } from '../errors.js';
import { safeJson } from '../json.js';
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
