import { CasError } from '../errors.js';
import { safeJson } from '../json.js';
import { importTarSplit } from './tar-split-import.js';
import type { TarSplitItem } from './tar-split-line.js';

type Lines = AsyncIterable<string>;

/**
 * Checks that two tar-split.json tell of the same tar. How bytes are cut into segments does not matter: versions of
 * tar-split differ in that.
 * @param given whose lines may be anything
 * @param own of the tar that is there
 * @throws CasError TAR_SPLIT_MISMATCH; LAYER_INVALID where a line of `given` is not what tar-split writes
 */
export async function compareTarSplit(given: Lines, own: Lines): Promise<void> {
  const wanted = new Items(importTarSplit(given));
  const there = new Items(importTarSplit(own));
  try {
    for (;;) {
      const expected = await wanted.peek();
      const found = await there.peek();
      if (expected === undefined && found === undefined) return;
      if (expected?.type === 'segment' && found?.type === 'segment') {
        const length = Math.min(expected.bytes.length, found.bytes.length);
        const [start, other] = [expected.bytes.subarray(0, length), found.bytes.subarray(0, length)];
        if (!start.equals(other)) throw mismatch(there.number, 'its bytes of headers or padding', 'others');
        wanted.skip(length);
        there.skip(length);
      } else {
        if (described(expected) !== described(found))
          throw mismatch(there.number, described(expected), described(found));
        wanted.next();
        there.next();
      }
    }
  } finally {
    await wanted.close();
    await there.close();
  }
}

/** Items one after the other, with the first bytes of a segment taken off as they are compared. */
class Items {
  readonly #items: AsyncGenerator<TarSplitItem>;
  #item: TarSplitItem | undefined;
  /** The number of the current one. */
  number = -1;

  constructor(items: AsyncGenerator<TarSplitItem>) {
    this.#items = items;
  }

  /** The current one; segments are never empty. */
  async peek(): Promise<TarSplitItem | undefined> {
    while (this.#item === undefined || (this.#item.type === 'segment' && this.#item.bytes.length === 0)) {
      const next = await this.#items.next();
      if (next.done) return undefined;
      this.number++;
      this.#item = next.value;
    }
    return this.#item;
  }

  next(): void {
    this.#item = undefined;
  }

  skip(length: number): void {
    if (this.#item?.type === 'segment')
      this.#item = { type: 'segment', bytes: this.#item.bytes.subarray(length) };
  }

  async close(): Promise<void> {
    await this.#items.return(undefined);
  }
}

function described(item: TarSplitItem | undefined): string {
  if (item === undefined) return 'the end';
  if (item.type === 'segment') return 'bytes of headers or padding';
  const crc = item.crc === undefined ? '' : `, CRC-64 ${item.crc.toString('hex')}`;
  return `${safeJson(item.name)} (${item.size} bytes${crc})`;
}

function mismatch(number: number, expected: string, found: string): CasError {
  return new CasError('TAR_SPLIT_MISMATCH', { subject: `entry ${number} of the tar`, expected, found });
}
