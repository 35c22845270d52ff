/** Where an {@link Arena} has a piece: not negative, and while there are less than 2 GiB, a small integer of V8. */
export type Handle = number;

/** Pieces of bytes, packed: a million of them as objects of their own would take several times their size. */
export class Arena {
  static readonly #CHUNK = 1 << 20;
  readonly #chunks: Buffer[] = [];
  /** Bytes that are taken in the last chunk. */
  #used = Arena.#CHUNK;

  /** Keeps a copy. */
  add(bytes: Buffer): Handle {
    const start = this.#reserve(4 + bytes.length);
    const chunk = this.#chunks.at(-1) ?? Buffer.alloc(0);
    chunk.writeUInt32LE(bytes.length, start);
    bytes.copy(chunk, start + 4);
    return (this.#chunks.length - 1) * Arena.#CHUNK + start;
  }

  /** The piece, a view. */
  get(handle: Handle): Buffer {
    const chunk = this.#chunks[Math.floor(handle / Arena.#CHUNK)] ?? Buffer.alloc(0);
    const start = handle % Arena.#CHUNK;
    return chunk.subarray(start + 4, start + 4 + chunk.readUInt32LE(start));
  }

  /** A piece that is larger than a chunk gets one of its size to itself. */
  #reserve(size: number): number {
    if (this.#used + size > Arena.#CHUNK) {
      this.#chunks.push(Buffer.allocUnsafeSlow(Math.max(size, Arena.#CHUNK)));
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += size;
    return start;
  }
}
