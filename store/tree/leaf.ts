import type { ByteText } from '../tar/entry.js';
import { ByteReader, damaged } from './bytes.js';
import { DIGEST_SIZE, readEntry, TAG } from './entry-codec.js';
import type { Entry } from './inode.js';
import { comesBefore, compareName } from './name-order.js';
import { lastAtMost, type Sums } from './sums.js';

/** The smallest record: the length of its name, one byte of name, the length of its entry, two bytes of entry. */
const SMALLEST = 5;

/**
 * Names of one directory in bytewise order, each with its encoded entry. Only what is asked for is decoded; where each
 * record begins and how many inode numbers come before it is known from the start.
 *
 * Encoded: number of records, then per record the length of its name (one byte), the name, the length of its entry,
 * the entry.
 */
export class Leaf {
  readonly kind = 'leaf';
  readonly sums: Sums;
  readonly #bytes: Buffer;
  /** Where each record begins, and where the last one ends. */
  readonly #offsets: Uint32Array;
  /** How many inode numbers come before each entry. */
  readonly #starts: Float64Array;

  /** @throws CasError LAYER_DAMAGED */
  constructor(bytes: Buffer, position: number) {
    const from = new ByteReader(bytes, position);
    const count = from.uint();
    if (count > from.left / SMALLEST) throw damaged('it has fewer entries than it says');
    this.#bytes = bytes;
    this.#offsets = new Uint32Array(count + 1);
    this.#starts = new Float64Array(count);
    let [total, subdirectories, shared] = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      this.#offsets[i] = from.position;
      this.#starts[i] = total;
      const body = this.#skipName(from, i);
      total++;
      if (bytes[body] === TAG.shared) shared++;
      if (bytes[body] !== TAG.directory) continue;
      const below = new ByteReader(bytes, body + 1, from.position);
      subdirectories++;
      total += below.uint();
      below.uint();
      shared += below.uint();
      if (!Number.isSafeInteger(total)) throw damaged('it has too many entries');
    }
    from.finish();
    this.#offsets[count] = from.position;
    this.sums = { entries: count, total, subdirectories, shared };
  }

  get count(): number {
    return this.#starts.length;
  }

  /** Bytes of memory that it takes. */
  get memory(): number {
    return this.#bytes.length + this.#offsets.byteLength + this.#starts.byteLength;
  }

  name(index: number): ByteText {
    const offset = this.#offset(index);
    return this.#bytes.toString('latin1', offset + 1, this.#nameEnd(offset));
  }

  /** The encoded entry, a view. */
  body(index: number): Buffer {
    const from = new ByteReader(this.#bytes, this.#nameEnd(this.#offset(index)));
    const size = from.uint();
    return this.#bytes.subarray(from.position, from.position + size);
  }

  /** @throws CasError LAYER_DAMAGED */
  entry(index: number): Entry {
    return readEntry(new ByteReader(this.body(index)));
  }

  /** How many inode numbers come before that of the entry. */
  start(index: number): number {
    return this.#starts[index] ?? 0;
  }

  /** Where the name is; -1 where it is not. */
  indexOf(name: ByteText): number {
    let [low, high] = [0, this.count - 1];
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const offset = this.#offset(middle);
      const order = compareName(this.#bytes, offset + 1, this.#nameEnd(offset), name);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** The entry that has the inode number after `start` others, itself or below it. */
  covering(start: number): number {
    return lastAtMost(this.#starts, this.count, start);
  }

  #offset(index: number): number {
    return this.#offsets[index] ?? 0;
  }

  #nameEnd(offset: number): number {
    return offset + 1 + (this.#bytes[offset] ?? 0);
  }

  /** Moves behind the record and says where its entry begins. */
  #skipName(from: ByteReader, index: number): number {
    const length = from.byte();
    const start = from.skip(length);
    if (length === 0) throw damaged('a name is empty');
    if (index > 0) {
      const before = this.#offset(index - 1);
      const ordered = comesBefore(this.#bytes, [before + 1, this.#nameEnd(before)], [start, start + length]);
      if (!ordered) throw damaged('names are not in order');
    }
    const size = from.uint();
    const body = from.skip(size);
    const directory = this.#bytes[body] === TAG.directory;
    if (size < (directory ? DIGEST_SIZE : 2)) throw damaged('an entry is too short');
    return body;
  }
}
