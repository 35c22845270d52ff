import type { ByteText } from '../tar/entry.js';
import { ByteReader, type ByteWriter, damaged } from './bytes.js';
import { DIGEST_SIZE } from './entry-codec.js';
import type { NodeDigest } from './inode.js';
import { compareName } from './name-order.js';
import { lastAtMost, NOTHING, plus, type Sums } from './sums.js';

/** A leaf of a directory that has several. */
export interface LeafRecord {
  readonly first: ByteText;
  readonly node: NodeDigest;
  readonly sums: Sums;
}

/** The smallest record: a name of one byte with its length, a digest, four numbers. */
const SMALLEST = 2 + DIGEST_SIZE + 4;

/**
 * The leaves of a big directory, in order. Encoded: number of records, then per record the length of the leaf's first
 * name (one byte), that name, the digest of the leaf, its sums.
 */
export class LeafIndex {
  readonly kind = 'index';
  readonly sums: Sums;
  readonly #bytes: Buffer;
  readonly #offsets: Uint32Array;
  /** How many entries of the directory come before each leaf. */
  readonly #ordinals: Float64Array;
  /** How many inode numbers come before each leaf. */
  readonly #starts: Float64Array;

  /** @throws CasError LAYER_DAMAGED */
  constructor(bytes: Buffer, position: number) {
    const from = new ByteReader(bytes, position);
    const count = from.uint();
    if (count > from.left / SMALLEST) throw damaged('it has fewer leaves than it says');
    if (count < 2) throw damaged('an index has a single leaf');
    this.#bytes = bytes;
    this.#offsets = new Uint32Array(count);
    this.#ordinals = new Float64Array(count);
    this.#starts = new Float64Array(count);
    let sums = NOTHING;
    for (let i = 0; i < count; i++) {
      this.#offsets[i] = from.position;
      this.#ordinals[i] = sums.entries;
      this.#starts[i] = sums.total;
      sums = plus(sums, readRecord(from).sums);
      if (!Number.isSafeInteger(sums.total)) throw damaged('it has too many entries');
    }
    from.finish();
    for (let i = 1; i < count; i++) {
      if (this.#compareFirst(i - 1, this.record(i).first) >= 0) throw damaged('leaves are not in order');
    }
    this.sums = sums;
  }

  get count(): number {
    return this.#offsets.length;
  }

  /** Bytes of memory that it takes. */
  get memory(): number {
    return this.#bytes.length + this.#offsets.byteLength + 2 * this.#starts.byteLength;
  }

  record(index: number): LeafRecord {
    return readRecord(new ByteReader(this.#bytes, this.#offsets[index]));
  }

  ordinal(index: number): number {
    return this.#ordinals[index] ?? 0;
  }

  start(index: number): number {
    return this.#starts[index] ?? 0;
  }

  /** The only leaf that can hold the name. */
  leafOf(name: ByteText): number {
    let [low, high] = [0, this.count];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#compareFirst(middle, name) <= 0) low = middle;
      else high = middle;
    }
    return low;
  }

  leafCovering(start: number): number {
    return lastAtMost(this.#starts, this.count, start);
  }

  leafWithOrdinal(ordinal: number): number {
    return lastAtMost(this.#ordinals, this.count, ordinal);
  }

  #compareFirst(index: number, name: ByteText): number {
    const offset = this.#offsets[index] ?? 0;
    return compareName(this.#bytes, offset + 1, offset + 1 + (this.#bytes[offset] ?? 0), name);
  }
}

export function writeIndex(into: ByteWriter, leaves: readonly LeafRecord[]): void {
  into.uint(leaves.length);
  for (const { first, node, sums } of leaves) {
    into.name(first);
    into.raw(node);
    into.uint(sums.entries);
    into.uint(sums.total);
    into.uint(sums.subdirectories);
    into.uint(sums.shared);
  }
}

function readRecord(from: ByteReader): LeafRecord {
  const first = from.raw(from.byte()).toString('latin1');
  const node = from.raw(DIGEST_SIZE);
  const [entries, total, subdirectories, shared] = [from.uint(), from.uint(), from.uint(), from.uint()];
  if (first === '' || entries === 0 || entries + subdirectories > 2 * total || shared > total) {
    throw damaged('a leaf cannot have what an index says');
  }
  return { first, node, sums: { entries, total, subdirectories, shared } };
}
