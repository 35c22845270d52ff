import type { Algorithm, Digest } from '../digest.js';
import { createHasher } from '../hasher/engines.js';
import type { HashState } from './checkpoints/state-files.js';
import { Extents } from './extents.js';
import { type Captured, hashRange, Prefix, type Reached } from './prefix.js';

/** What a write took; `held` settles when the data passed in is free again. */
export interface IngestWritten {
  readonly size: number;
  readonly held?: Promise<void>;
}

/** A hash state that the bytes below it must reproduce; `tell` is called once it is known whether they do. */
export interface Milestone extends HashState {
  readonly tell: (reproduced: boolean) => void;
}

/**
 * How many bytes hashing may be behind for a write to be hashed as it comes. Farther behind, the bytes are read back
 * from the file: a writer shall not wait for what was there before it.
 */
const NEAR = 8 << 20;

/**
 * How far the digest of a file has come while the file is written in any order.
 *
 * Invariant: the prefix covers only bytes that stand in the file as they were hashed. A write below its end, or
 * one that took fewer bytes than were hashed, takes it back to a state that was saved before them.
 */
export class Progress {
  readonly #prefix: Prefix;
  readonly #extents = new Extents();
  readonly #best: (offset: number) => HashState | undefined;
  /** Ascending: those of which it is not known yet whether the bytes reproduce them. */
  #milestones: readonly Milestone[] = [];
  /** Hashed bytes were rewritten in this session: what follows may be as well, so nothing is read ahead. */
  #rewound = false;

  /**
   * `size` bytes are in the file already. `best` gives the saved state with the highest offset that is not above the
   * one asked for.
   */
  constructor(
    algorithm: Algorithm,
    size: number,
    best: (offset: number) => HashState | undefined = () => undefined,
  ) {
    this.#prefix = new Prefix(algorithm);
    this.#best = best;
    this.#extents.add(0, size);
  }

  get algorithm(): Algorithm {
    return this.#prefix.algorithm;
  }

  /** Bytes whose digest is known, from the start of the file. */
  get length(): number {
    return this.#prefix.length;
  }

  /** Where the next byte to be hashed belongs: no state that can be saved is above it. */
  get end(): number {
    return this.#prefix.end;
  }

  /** Whether little is left to be hashed of what is to be. */
  get isNear(): boolean {
    return this.#prefix.end - this.#prefix.length <= NEAR;
  }

  /** Goes on from the best saved state of a file of `size` bytes; on the way, the milestones are told of. */
  resume(size: number, milestones: readonly Milestone[] = []): void {
    const start = this.#best(size);
    this.#prefix.reset(start);
    this.#milestones = milestones.filter(({ offset }) => offset > (start?.offset ?? 0) && offset <= size);
  }

  /** Tells of a write that is about to be made. Undefined unless it continues the prefix; else settles when `data` is hashed. */
  writing(data: Uint8Array, offset: number): Promise<void> | undefined {
    // Bytes that are being rewritten must not be read and hashed meanwhile.
    this.#extents.remove(offset, offset + data.length);
    this.#withdraw(offset);
    if (offset < this.#prefix.end) this.#rewind(offset);
    return offset === this.#prefix.end && this.isNear ? this.#prefix.append(data) : undefined;
  }

  /** Tells how many of `asked` bytes the write at `offset` took. */
  wrote(fd: number | undefined, offset: number, asked: number, taken: number): void {
    if (taken < asked && offset < this.#prefix.end) this.#rewind(offset);
    this.#extents.add(offset, offset + taken);
    if (fd !== undefined && !this.#rewound && this.isNear) this.#catchUp(fd);
  }

  /** Tells that the file is about to have `size` bytes. */
  cut(size: number): void {
    this.#withdraw(size);
    if (size < this.#prefix.end) this.#rewind(size);
    this.#extents.cut(size);
    if (size === 0) this.#rewound = false;
  }

  /** Tells that the file was cut: what is left is hashed up to its end, so that hashing can go on from there. */
  wasCut(fd: number, size: number): void {
    if (this.#extents.endFrom(this.#prefix.end) !== size) return;
    this.#rewound = false;
    this.#catchUp(fd);
  }

  /** Tells that the file has `size` bytes, of which nothing is known. */
  found(size: number): void {
    this.#prefix.reset();
    this.#extents.cut(0);
    this.#extents.add(0, size);
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

  /**
   * Brings hashing to exactly `offset`, from the saved state that is nearest below and the bytes of the file after it.
   * @throws Error where the file ends before `offset`
   */
  async resumeDigestAt(fd: number, offset: number): Promise<void> {
    this.#withdraw(offset);
    if (offset < this.#prefix.end) this.#rewind(offset);
    await this.#read(fd, offset);
  }

  /**
   * The digest of all `size` bytes of the file, which must not change meanwhile. With `anew` all of it is read again,
   * whatever is known of it.
   */
  async finish(fd: number, size: number, algorithm: Algorithm, anew = false): Promise<Digest> {
    if (anew || algorithm !== this.algorithm) return hashFile(fd, size, algorithm);
    try {
      await this.#read(fd, size);
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

  /** The state of the hash once all that is queued is hashed. */
  capture(): Promise<Captured> {
    return this.#prefix.capture();
  }

  /** Gives up what is still to be read, where it is much: hashing is taken back to the best saved state. */
  giveUp(): void {
    if (!this.isNear) this.#rewind(Infinity);
  }

  /** Settles when nothing is being hashed. */
  async settled(): Promise<void> {
    await this.#prefix.settled().catch(() => undefined);
  }

  /** Frees the hasher. */
  dispose(): void {
    this.#prefix.reset();
  }

  #catchUp(fd: number): void {
    this.#read(fd, this.#extents.endFrom(this.#prefix.end)).catch(() => undefined);
  }

  /** Hashes up to `until`, stopping at the milestones to compare. */
  #read(fd: number, until: number): Promise<void> {
    for (const milestone of this.#milestones)
      if (milestone.offset > this.#prefix.end && milestone.offset <= until) this.#reach(fd, milestone);
    return this.#prefix.catchUp(fd, until);
  }

  #reach(fd: number, milestone: Milestone): void {
    const { offset, state, tell } = milestone;
    this.#prefix.catchUp(fd, offset).catch(() => undefined);
    const compare = (found: Captured): void => {
      if (!found.isCurrent()) return;
      this.#milestones = this.#milestones.filter((other) => other !== milestone);
      tell(found.offset === offset && Buffer.compare(found.state, state) === 0);
    };
    this.#prefix.capture().then(compare, () => undefined);
  }

  /** Gives up the milestones above `offset`: the bytes from there on are about to be others. */
  #withdraw(offset: number): void {
    if (this.#milestones.length === 0) return;
    this.#milestones = this.#milestones.filter((milestone) => milestone.offset <= offset);
  }

  /** Takes hashing back to the best state that is not above `offset`. */
  #rewind(offset: number): void {
    this.#prefix.reset(this.#best(offset));
    this.#rewound = true;
  }
}

/** The digest of the first `size` bytes of an open file, which must not change meanwhile. */
export async function hashFile(fd: number, size: number, algorithm: Algorithm): Promise<Digest> {
  const hasher = await createHasher(algorithm);
  try {
    await hashRange(hasher, fd, 0, size);
    return hasher.digest();
  } finally {
    hasher.dispose();
  }
}
