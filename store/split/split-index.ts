import { crc32 } from 'node:zlib';
import { CasError } from '../errors.js';
import { ByteReader, ByteWriter } from './bytes.js';

/** What is known of the chunks of a tar without reading them. */
export interface SplitIndex {
  /** The bytes of the tar. */
  readonly size: number;
  /** The records that end with the header of an entry. */
  readonly entries: number;
  /** Where each chunk begins in the tar. */
  readonly offsets: readonly number[];
}

/** One byte of version and the CRC-32 of what follows, big endian. */
const VERSION = 1;
const HEADER = 5;

/** An index as bytes: the same for the same index. */
export function encodeIndex({ size, entries, offsets }: SplitIndex): Buffer {
  const to = new ByteWriter();
  to.put(Buffer.alloc(HEADER));
  for (const number of [size, entries, offsets.length]) to.varint(number);
  let last = 0;
  for (const offset of offsets) {
    to.varint(offset - last);
    last = offset;
  }
  const bytes = Buffer.from(to.bytes());
  bytes[0] = VERSION;
  bytes.writeUInt32BE(crc32(bytes.subarray(HEADER)), 1);
  return bytes;
}

/** @throws CasError LAYER_DAMAGED where it is malformed */
export function decodeIndex(bytes: Buffer): SplitIndex {
  if (bytes[0] !== VERSION || bytes.length < HEADER) throw malformed('no index of version 1');
  const checked = bytes.subarray(HEADER);
  if (bytes.readUInt32BE(1) !== crc32(checked)) throw malformed('a wrong checksum');
  const from = new ByteReader(checked, malformed);
  const [size, entries, chunks] = [from.varint(), from.varint(), from.varint()];
  const offsets: number[] = [];
  let last = 0;
  while (offsets.length < chunks) offsets.push((last += from.varint()));
  from.end();
  if (last > size || (chunks === 0 && size > 0) || (offsets[0] ?? 0) !== 0) throw malformed('wrong offsets');
  return { size, entries, offsets };
}

/** The number of the chunk that holds the byte at an offset, which is below the size. */
export function chunkAt({ offsets }: SplitIndex, offset: number): number {
  return lastNotAbove(offset, offsets.length, (number) => offsets[number] ?? 0);
}

/** The number of the last of `count` ascending values that is not above `value`, which the first one is not. */
export function lastNotAbove(value: number, count: number, at: (number: number) => number): number {
  let [low, high] = [0, count];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (at(middle) <= value) low = middle;
    else high = middle;
  }
  return low;
}

function malformed(found: string): CasError {
  return new CasError('LAYER_DAMAGED', { subject: 'the index of its tar', found });
}
