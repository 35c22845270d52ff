import type { Algorithm, Digest } from '../digest.js';
import { CasError } from '../errors.js';
import type { Checkpoints } from './checkpoints/checkpoints.js';
import { Checkpointer } from './checkpointer.js';
import type { ContentOwner } from './content-owner.js';
import { fstat } from '../files.js';
import type { DataFile } from './data-file.js';
import type { HashPolicy } from './hash-policy.js';
import { patiently } from './loan.js';
import type { Reached } from './prefix.js';
import type { IngestWritten, Progress } from './progress.js';

/** The range that no other change may overlap while a file is cut. */
const EVERYTHING = [0, Infinity] as const;

/** Bytes that are read again about as quickly as a saved state of them is. */
const SMALL = 1 << 20;

/**
 * The bytes of an ingest, and how far they are hashed. Every change begins by waiting until its obstacle is undefined,
 * and then follows in the same step.
 */
export class Content {
  readonly file: DataFile;
  readonly #progress: Progress;
  readonly #checkpoints: Checkpoints;
  readonly #owner: ContentOwner;
  readonly #verify: HashPolicy['verify'];
  readonly #checkpointer: Checkpointer;
  /** What was saved by an earlier run has been read, or there is nothing. */
  #loaded: boolean;
  #loading: Promise<void> | undefined;
  /** The digest rests on a state that an earlier run saved. */
  #trusting = false;
  #takingBack: Promise<boolean> | undefined;

  /** `isNew`: no earlier run can have saved anything of it. */
  constructor(
    file: DataFile,
    progress: Progress,
    checkpoints: Checkpoints,
    owner: ContentOwner,
    { verify, checkpoint }: HashPolicy,
    isNew: boolean,
  ) {
    this.file = file;
    this.#progress = progress;
    this.#checkpoints = checkpoints;
    this.#owner = owner;
    this.#verify = verify;
    this.#checkpointer = new Checkpointer({ file, progress, checkpoints, owner }, checkpoint);
    this.#loaded = isNew;
  }

  get algorithm(): Algorithm {
    return this.#progress.algorithm;
  }

  /** Bytes whose digest is known, from the start of the file. */
  get offset(): number {
    return this.#progress.length;
  }

  /** Whether it is known what an earlier run saved. */
  get isLoaded(): boolean {
    return this.#loaded;
  }

  /** Goes on from what an earlier run saved. Undefined once that is done. */
  resume(): Promise<void> | undefined {
    if (this.#loaded) return undefined;
    this.#loading ??= this.#resume().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Writes and hashes; may take fewer bytes, as pwrite(2). Only what was taken counts as hashed. */
  async write(data: Uint8Array, offset: number): Promise<IngestWritten> {
    for (let obstacle; (obstacle = this.#obstacle(offset, [offset, offset + data.length])) !== undefined;)
      await obstacle;
    const spoilt = this.#owner.spoilt();
    if (spoilt !== undefined) throw spoilt;
    this.#checkpointer.changed();
    const hashed = !this.file.isLent;
    const held = hashed ? this.#progress.writing(data, offset)?.catch(() => undefined) : undefined;
    let size = 0;
    try {
      size = await this.file.write(data, offset);
    } catch (error) {
      await held;
      throw error;
    } finally {
      if (hashed) this.#progress.wrote(this.file.openFd, offset, data.length, size);
    }
    await this.#progress.ready();
    if (this.#checkpointer.isDue) this.checkpoint().catch(() => undefined);
    return held === undefined ? { size } : { size, held };
  }

  /** Cuts or extends the file; extending leaves a hole. */
  async truncate(size: number): Promise<void> {
    for (let obstacle; (obstacle = this.#obstacle(size, EVERYTHING)) !== undefined;) await obstacle;
    await this.#truncate(size);
  }

  /** Cuts off what is above `size`, unless that has gone meanwhile. */
  async cut(size: number): Promise<void> {
    for (let obstacle; (obstacle = this.#obstacle(size, EVERYTHING)) !== undefined;) await obstacle;
    if (this.file.size > size) await this.#truncate(size);
  }

  async #truncate(size: number): Promise<void> {
    const shorter = size < this.#progress.end;
    this.#checkpointer.changed();
    this.#progress.cut(size);
    await this.file.truncate(size);
    if (shorter && this.file.openFd !== undefined) this.#progress.wasCut(this.file.openFd, size);
  }

  /**
   * Tells that the writer has gone: what it left unhashed is read, and its data starts on its way to the disk. Settles when
   * that has begun; undefined where it has.
   */
  sessionEnded(): Promise<void> | undefined {
    if (this.file.isLent) return this.rest();
    this.#hashRest();
    return undefined;
  }

  /** Does for a file that is lent what can be done while nobody has it open. */
  async rest(): Promise<void> {
    if (!this.file.isLent) return;
    if (await patiently(() => this.takeBack())) this.#hashRest();
    else await this.file.makeDurable();
  }

  /**
   * Takes back a file that was lent, if nobody else can write it any more: from then on it is hashed as others are.
   * @returns whether it is ours alone
   */
  async takeBack(): Promise<boolean> {
    if (!this.file.isLent) return true;
    const found = (size: number): void => {
      this.#progress.found(size);
      if (this.#loaded) this.#checkpointer.changed();
    };
    this.#takingBack ??= this.file.takeBack(found).finally(() => (this.#takingBack = undefined));
    return this.#takingBack;
  }

  /** {@link Checkpointer.checkpoint} */
  checkpoint(): Promise<void> {
    return this.#checkpointer.checkpoint();
  }

  /** fsync(2): everything written so far is durable, and no recovery cuts it off. */
  async persist(): Promise<void> {
    if (this.#owner.isOpen()) await this.resume();
    const size = await this.file.makeDurable();
    if (this.#owner.directory() === undefined) return;
    // containerd syncs before each commit: of a few bytes nothing is worth saving then.
    if (this.#owner.isShared() && size < SMALL && !this.#checkpoints.underrates(size)) return;
    // Where much is still to be read, its writer shall not wait for it.
    if (this.#progress.isNear) {
      // One that is being made may have begun before the last write.
      await this.#checkpointer.quiet();
      if (this.#checkpoints.underrates(size)) this.#checkpointer.changed();
      await this.checkpoint();
    }
    await this.#checkpoints.vouch(size);
  }

  /** Settles when no checkpoint is being made and nothing else of it is being changed on disk. */
  async quiet(): Promise<void> {
    await this.#checkpointer.quiet();
    await this.#checkpoints.changes.quiet();
  }

  /** Does something while nothing of the checkpoints is being changed on disk. */
  undisturbed<T>(action: () => Promise<T>): Promise<T> {
    return this.#checkpoints.changes.run(action);
  }

  /**
   * Brings hashing to exactly `offset`: from the saved state at that offset, else from the highest below it, else from
   * the start; the bytes after it are read from the file. Every saved state above is removed.
   * @throws CasError OFFSET_INVALID where it is negative or beyond the end
   */
  async resumeDigestAt(offset: number): Promise<void> {
    await this.resume();
    const { size } = this.file;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > size) {
      throw new CasError('OFFSET_INVALID', {
        subject: this.file.path,
        expected: `0 to ${size}`,
        found: offset,
      });
    }
    const fd = await this.file.open();
    for (let clearing; (clearing = this.#checkpoints.clear(offset, this.#progress.end)) !== undefined;)
      await clearing;
    await this.#progress.resumeDigestAt(fd, offset);
  }

  /**
   * The digest of all bytes, which must not change meanwhile. They are read again where they are to be verified
   * always, and where the digest rests on a saved state and is not the `expected`: nobody is refused for a state.
   */
  async digest(algorithm: Algorithm, expected?: Digest): Promise<Digest> {
    await this.resume();
    const [fd, { size }] = [await this.file.open(), this.file];
    const anew = this.#verify === 'always' || this.file.isLent || this.#writtenByOthers(fd);
    const found = await this.#progress.finish(fd, size, algorithm, anew);
    if (!this.#trusting || expected === undefined || found === expected) return found;
    await this.#checkpoints.clear(0, 0);
    this.#progress.resume(0);
    this.#trusting = false;
    return this.#progress.finish(fd, size, algorithm);
  }

  /** Whether containerd may have written the file without us: its time is later than that of the last write by us. */
  #writtenByOthers(fd: number): boolean {
    return this.#owner.isShared() && fstat(fd).mtime.getTime() > this.file.updatedAt.getTime();
  }

  /** The digest of the first {@link offset} bytes. */
  async prefixDigest(): Promise<Digest> {
    await this.resume();
    return this.#progress.digest();
  }

  /** {@link offset} and the digest, once all that is queued is hashed; undefined where the bytes are rewritten. */
  reached(): Promise<Reached | undefined> {
    return this.#progress.reached();
  }

  /** Tells that the process is about to end: nobody waits until much that was there before has been read. */
  hurry(): void {
    this.#progress.giveUp();
  }

  /** Settles when nothing is being hashed or saved. */
  async settled(): Promise<void> {
    await this.#progress.settled();
    await this.quiet();
  }

  /** Frees the hasher. */
  dispose(): void {
    this.#progress.dispose();
  }

  /**
   * What a change of the bytes from `first` on must wait for, before it asks again: a commit, states that are above
   * them, and other changes that overlap the range.
   */
  #obstacle(first: number, [start, end]: readonly [number, number]): Promise<void> | undefined {
    return (
      this.#owner.decision() ??
      this.resume() ??
      this.#checkpoints.clear(first, this.#progress.end) ??
      this.file.clear(start, end)
    );
  }

  /** What its last writer left unhashed is read, and its data starts on its way to the disk. */
  #hashRest(): void {
    if (this.#loaded) this.#progress.sessionEnded(this.file.openFd);
    this.file.sync().catch(() => undefined);
  }

  async #resume(): Promise<void> {
    await this.#checkpoints.load(await this.file.open());
    // Of what is lent no state is saved, and what has states is never lent again.
    if (this.#checkpoints.any) this.file.isOurs();
    else await this.takeBack();
    let proven = this.#checkpoints.best(this.file.size)?.offset ?? 0;
    const milestones = this.#checkpoints.earlier.map((checkpoint) => ({
      ...checkpoint,
      tell: (reproduced: boolean) => {
        if (reproduced) {
          proven = checkpoint.offset;
          this.#checkpoints.prove(checkpoint).catch(() => undefined);
        } else if (proven < Infinity) {
          this.#owner.damaged(proven);
          proven = Infinity;
        }
      },
    }));
    this.#progress.resume(this.file.size, milestones);
    this.#checkpointer.taken();
    this.#trusting = this.#progress.length > 0;
    this.#loaded = true;
  }
}
