import type { Algorithm, Digest } from '../digest.js';
import { createHasher } from '../hasher/engines.js';
import { Extents } from './extents.js';
import { hashRange, Prefix, type Reached } from './prefix.js';

/** What a write took; `held` settles when the data passed in is free again. */
export interface IngestWritten {
  readonly size: number;
  readonly held?: Promise<void>;
}

/**
 * How far the digest of a file has come while the file is written in any order.
 *
 * Invariant: the prefix covers only bytes that stand in the file as they were hashed. A write below its end, or
 * one that took fewer bytes than were hashed, starts it afresh.
 */
export class Progress {
  readonly #prefix: Prefix;
  readonly #extents = new Extents();
  /** Hashed bytes were rewritten in this session: what follows may be as well, so nothing is read ahead. */
  #rewound = false;

  /** `size` bytes are in the file already. */
  constructor(algorithm: Algorithm, size: number) {
    this.#prefix = new Prefix(algorithm);
    this.#extents.add(0, size);
  }

  get algorithm(): Algorithm {
    return this.#prefix.algorithm;
  }

  /** Bytes whose digest is known, from the start of the file. */
  get length(): number {
    return this.#prefix.length;
  }

  /** Tells of a write that is about to be made. Undefined unless it continues the prefix; else settles when `data` is hashed. */
  writing(data: Uint8Array, offset: number): Promise<void> | undefined {
    // Bytes that are being rewritten must not be read and hashed meanwhile.
    this.#extents.remove(offset, offset + data.length);
    if (offset < this.#prefix.end) this.#rewind();
    return offset === this.#prefix.end ? this.#prefix.append(data) : undefined;
  }

  /** Tells how many of `asked` bytes the write at `offset` took. */
  wrote(fd: number | undefined, offset: number, asked: number, taken: number): void {
    if (taken < asked && offset < this.#prefix.end) this.#rewind();
    this.#extents.add(offset, offset + taken);
    if (fd !== undefined && !this.#rewound) this.#catchUp(fd);
  }

  /** Tells that the file is about to have `size` bytes. */
  cut(size: number): void {
    if (size < this.#prefix.end) this.#rewind();
    this.#extents.cut(size);
    if (size === 0) this.#rewound = false;
  }

  /** Tells that the writer has gone: what it left unhashed is read now. */
  sessionEnded(fd: number | undefined): void {
    this.#rewound = false;
    if (fd !== undefined) this.#catchUp(fd);
  }

  /** Settles when hashing has caught up enough for more to be written. */
  ready(): Promise<void> {
    return this.#prefix.ready();
  }

  /** The digest of all `size` bytes of the file, which must not change meanwhile. */
  async finish(fd: number, size: number, algorithm: Algorithm): Promise<Digest> {
    if (algorithm !== this.algorithm) return hashFile(fd, size, algorithm);
    try {
      await this.#prefix.catchUp(fd, size);
      const digest = await this.#prefix.digest();
      if (this.#prefix.length !== size) throw new Error(`hashed ${this.#prefix.length} of ${size} bytes`);
      return digest;
    } catch (error) {
      this.#prefix.reset();
      throw error;
    }
  }

  /** How many bytes are hashed, and their digest, once all that is queued is; undefined where they were rewritten. */
  reached(): Promise<Reached | undefined> {
    return this.#prefix.reached();
  }

  /** The digest of the first {@link length} bytes, once all that is queued is hashed. */
  digest(): Promise<Digest> {
    return this.#prefix.digest();
  }

  /** Settles when nothing is being hashed. */
  async settled(): Promise<void> {
    await this.#prefix.settled().catch(() => undefined);
  }

  /** Frees the hasher. */
  end(): void {
    this.#prefix.reset();
  }

  #catchUp(fd: number): void {
    const until = this.#extents.endFrom(this.#prefix.end);
    if (until > this.#prefix.end) this.#prefix.catchUp(fd, until).catch(() => undefined);
  }

  #rewind(): void {
    this.#prefix.reset();
    this.#rewound = true;
  }
}

async function hashFile(fd: number, size: number, algorithm: Algorithm): Promise<Digest> {
  const hasher = await createHasher(algorithm);
  try {
    await hashRange(hasher, fd, 0, size);
    return hasher.digest();
  } finally {
    hasher.dispose();
  }
}
