import { type BigIntStats, fchmodSync } from 'node:fs';
import type { Algorithm, Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { fstat, lstat, read } from '../files.js';
import type { Ref } from '../ref.js';
import type { DataFile } from './data-file.js';
import { Life } from './life.js';
import type { Reached } from './prefix.js';
import type { IngestWritten, Progress } from './progress.js';
import type { Expectations, IngestRecord } from './record.js';
import { RecordKeeper } from './record-keeper.js';
import { type IngestStatus, statusOf } from './status.js';
import { Users } from './users.js';
import { WriterLock } from './writer-lock.js';

/**
 * An ingest: bytes under way to becoming a blob. It may be written in any order, by one writer at a time; the
 * digest of its contiguous start is kept up to date while it is written front to back.
 */
export class Ingest {
  /** What of it is on disk beside its bytes. */
  readonly keeper: RecordKeeper;
  readonly #file: DataFile;
  readonly #progress: Progress;
  readonly #life = new Life();
  readonly #users = new Users(() => void this.settle().catch(() => undefined));
  readonly #lock = new WriterLock();
  #error: string | undefined;

  /** `root` is the store's. `onSettled` is called when it has got a directory. */
  constructor(
    root: string,
    record: IngestRecord,
    file: DataFile,
    progress: Progress,
    onSettled: (ingest: Ingest) => void,
  ) {
    this.#file = file;
    this.#progress = progress;
    this.keeper = new RecordKeeper(root, record, ({ data }) => {
      file.path = data;
      onSettled(this);
    });
  }

  get record(): IngestRecord {
    return this.keeper.record;
  }

  get ref(): Ref {
    return this.record.ref;
  }

  get size(): number {
    return this.#file.size;
  }

  /** Whether its bytes stand in `blobs/` too, by link(2): it can be read and removed, and that is all. */
  get committed(): boolean {
    return this.#life.state === 'committed';
  }

  get locked(): boolean {
    return this.#lock.since !== undefined;
  }

  get status(): IngestStatus {
    const { size, updatedAt } = this.#file;
    return statusOf(this.record, {
      algorithm: this.#progress.algorithm,
      offset: this.#progress.length,
      size,
      updatedAt,
      holder: this.#lock.holder,
      rate: this.#lock.rate,
      error: this.#error,
    });
  }

  /** Remembers why the last commit was refused. */
  refused(reason: string): void {
    this.#error = reason;
  }

  /** @throws CasError INGEST_SEALED when it is being removed or committed, or was */
  checkMovable(): void {
    if (!this.committed) this.#throwIfSealed();
  }

  /**
   * Takes the ingest for writing; {@link unlock} gives it back. `thread` is the caller's, where it is known.
   * @throws CasError INGEST_BUSY, saying who holds it and since when; INGEST_SEALED
   */
  lock(thread?: number): void {
    this.#throwIfSealed();
    this.#lock.take(this.ref, thread);
    this.#error = undefined;
    this.retain();
  }

  /** Ends the writer's session: the rest is hashed in the background, and its data starts on its way to the disk. */
  unlock(): void {
    this.#lock.give();
    if (this.#life.state === 'open') {
      this.#progress.sessionEnded(this.#file.openFd);
      this.#file.sync().catch(() => undefined);
    }
    this.release();
  }

  /** Keeps the data file open until {@link release}. */
  retain(): void {
    this.#users.add();
  }

  release(): void {
    this.#users.remove();
    if (!this.#users.none) return;
    const { state } = this.#life;
    if (state === 'open') this.#users.rest();
    else if (state !== 'sealed') this.#file.close(true).catch(() => undefined);
  }

  /** Writes down the times and closes the data file, unless it is in use. */
  async settle(): Promise<void> {
    this.#users.wake();
    if (!this.#isIdle()) return;
    try {
      const record = await this.keeper.settle();
      if (this.#isIdle()) await this.keeper.writeTimes(record, this.#file.updatedAt);
    } finally {
      await this.#progress.settled();
      // Until it has its directory the file's mode lets nobody but root open it for writing again.
      if (this.#isIdle() && !this.keeper.fresh) await this.#file.close();
    }
  }

  /** Declares the total size in bytes or the digest; both survive a restart. */
  async expect(expectations: Expectations): Promise<void> {
    this.#throwIfSealed();
    await this.keeper.expect(expectations);
  }

  /** chmod(2) of an ingest. */
  async setPermissions(permissions: number): Promise<void> {
    this.#throwIfSealed();
    if (await this.keeper.keepPermissions(permissions)) return;
    await this.alter((fd) => fchmodSync(fd, permissions));
  }

  /**
   * Changes attributes of the open data file. `change` is one step, so that none of it can follow a {@link seal}.
   * @throws CasError INGEST_SEALED
   */
  async alter(change: (fd: number) => void): Promise<void> {
    this.#throwIfSealed();
    this.retain();
    try {
      const fd = await this.#file.open();
      this.#throwIfSealed();
      change(fd);
    } finally {
      this.release();
    }
  }

  /**
   * The open data file. Whoever is no writer holds it by {@link retain}.
   * @throws CasError INGEST_NOT_FOUND once it has ended: another may have its path by then
   */
  async open(): Promise<number> {
    if (this.#life.state === 'ended' && this.#file.openFd === undefined) this.#throwNotFound();
    return this.#file.open();
  }

  /**
   * stat(2) of the data file, which is not opened for it.
   * @throws CasError INGEST_NOT_FOUND once it has ended
   */
  stat(): BigIntStats {
    const fd = this.#file.openFd;
    if (fd !== undefined) return fstat(fd);
    const stats = this.#life.state === 'ended' ? undefined : lstat(this.#file.path);
    return stats ?? this.#throwNotFound();
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    return read(await this.open(), into, offset);
  }

  /**
   * Writes `data` at `offset`; may take fewer bytes, as pwrite(2). Only what was taken counts as hashed.
   * @throws CasError INGEST_SEALED; the system's own errors, such as ENOSPC, which leave the ingest resumable
   */
  async write(data: Uint8Array, offset: number): Promise<IngestWritten> {
    for (let obstacle; (obstacle = this.#obstacle(offset, offset + data.length)) !== undefined;)
      await obstacle;
    const held = this.#progress.writing(data, offset)?.catch(() => undefined);
    let size = 0;
    try {
      size = await this.#file.write(data, offset);
      this.#lock.wrote(size);
    } catch (error) {
      await held;
      throw error;
    } finally {
      this.#progress.wrote(this.#file.openFd, offset, data.length, size);
    }
    await this.#progress.ready();
    return held === undefined ? { size } : { size, held };
  }

  /** Cuts or extends the file; extending leaves a hole. */
  async truncate(size: number): Promise<void> {
    for (let obstacle; (obstacle = this.#obstacle(0, Infinity)) !== undefined;) await obstacle;
    this.#progress.cut(size);
    await this.#file.truncate(size);
  }

  /** fsync(2) of an ingest: its bytes so far and its name are on the disk. An error is final for the ingest. */
  async persist(): Promise<void> {
    this.#throwIfFailed();
    await this.#file.drained();
    await this.keeper.quiet();
    await this.#file.persist();
  }

  /** Makes the data durable, or such that no name can be durable before it. An error is final for the ingest. */
  async sync(): Promise<void> {
    this.#throwIfFailed();
    await this.#file.drained();
    await this.#file.sync();
  }

  /** Holds up further writes and waits for those under way, until {@link unseal}, {@link commit} or {@link end}. */
  async seal(): Promise<void> {
    this.#throwIfSealed();
    this.#life.seal();
    this.#users.wake();
    await this.keeper.quiet();
    await this.#file.drained();
  }

  unseal(): void {
    this.#life.become('open');
    this.retain();
    this.release();
  }

  /** Keeps the name of an ingest whose bytes are a blob now. */
  async commit(): Promise<void> {
    this.#life.become('committed');
    this.#progress.end();
    if (this.#users.none) await this.#file.close(true);
  }

  /**
   * The digest of the whole file; call only while sealed.
   * @throws CasError INGEST_FAILED after a failed sync; the system's error where the file cannot be read
   */
  async digest(algorithm: Algorithm): Promise<Digest> {
    this.#throwIfFailed();
    return this.#progress.finish(await this.#file.open(), this.#file.size, algorithm);
  }

  /** The digest of the first {@link IngestStatus.offset} bytes. */
  prefixDigest(): Promise<Digest> {
    return this.#progress.digest();
  }

  /** How many bytes from the start are hashed, and their digest, once all that is queued is; undefined where they change. */
  reached(): Promise<Reached | undefined> {
    return this.#progress.reached();
  }

  /** The error for whoever wants it while a writer has it. */
  busy(): CasError {
    return this.#lock.busy(this.ref);
  }

  /** Ends it for good, committed or removed. Who has it open can still read what it was. */
  async end(): Promise<void> {
    this.#life.become('ended');
    this.#users.wake();
    this.#progress.end();
    if (this.#users.none) await this.#file.close(true);
  }

  /** What a change of the range must wait for, before it asks again: a commit, or changes that overlap it. */
  #obstacle(start: number, end: number): Promise<void> | undefined {
    if (this.#life.state === 'sealed') return this.#life.decided;
    this.#throwIfSealed();
    return this.#file.clear(start, end);
  }

  /** Whether nobody has it open and nothing is done to it: only then may the data file be closed. */
  #isIdle(): boolean {
    return this.#users.none && this.#life.state === 'open';
  }

  #throwIfSealed(): void {
    if (this.#life.state !== 'open') throw new CasError('INGEST_SEALED', { subject: this.ref });
  }

  #throwNotFound(): never {
    throw new CasError('INGEST_NOT_FOUND', { subject: this.ref });
  }

  #throwIfFailed(): void {
    const { failure } = this.#file;
    if (failure !== undefined) throw new CasError('INGEST_FAILED', { subject: this.ref, cause: failure });
  }
}
