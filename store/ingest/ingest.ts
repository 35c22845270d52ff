import type { BigIntStats } from 'node:fs';
import type { Algorithm, Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { read } from '../files.js';
import type { Ref } from '../ref.js';
import type { Report } from '../report.js';
import type { Content } from './content.js';
import { ownerOf } from './content-owner.js';
import { Damage } from './damage.js';
import type { DataFile } from './data-file.js';
import { Life } from './life.js';
import { type ContentParts, makeContent } from './make-content.js';
import type { Reached } from './prefix.js';
import type { IngestWritten } from './progress.js';
import type { Expectations, IngestRecord } from './record.js';
import { RecordKeeper } from './record-keeper.js';
import { type IngestStatus, statusOf } from './status.js';
import { Usage } from './usage.js';
import { WriterLock } from './writer-lock.js';

/** What an ingest is made of. */
export interface IngestParts extends ContentParts {
  /** The store's. */
  readonly root: string;
  readonly record: IngestRecord;
  readonly report: Report;
  /** Called when it has got a directory. */
  readonly onSettled: (ingest: Ingest) => void;
}

/**
 * An ingest: bytes under way to becoming a blob. It may be written in any order, by one writer at a time; the
 * digest of its contiguous start is kept up to date while it is written front to back.
 */
export class Ingest {
  /** What of it is on disk beside its bytes. */
  readonly keeper: RecordKeeper;
  /** Its bytes, and how far they are hashed. */
  readonly content: Content;
  readonly #file: DataFile;
  readonly #life = new Life();
  readonly #usage: Usage;
  readonly #lock = new WriterLock();
  readonly #damage: Damage;
  readonly #saved: number;

  constructor(parts: IngestParts) {
    const { root, record, file, saved, report, onSettled } = parts;
    this.#file = file;
    this.#saved = saved ?? 0;
    this.keeper = new RecordKeeper(root, record, ({ data }) => {
      file.path = data;
      onSettled(this);
    });
    file.onFailure = (failure) => {
      // The descriptor of one that has ended is closed under its last sync.
      if (this.#life.state !== 'ended') this.keeper.noteFailure(failure?.message);
    };
    this.#damage = new Damage(this, report);
    const life = this.#life;
    this.content = makeContent(parts, ownerOf(this.keeper, life, this.#damage));
    this.#usage = new Usage({ life, file, keeper: this.keeper, content: this.content });
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

  /** Whether somebody has it open, or it is being committed or removed. */
  get inUse(): boolean {
    return !this.#usage.none || this.#life.state === 'sealed';
  }

  /** Whether it is neither being committed or removed nor gone. */
  get isOpen(): boolean {
    return this.#life.state === 'open';
  }

  get locked(): boolean {
    return this.#lock.since !== undefined;
  }

  get status(): IngestStatus {
    const { size, updatedAt, isLent } = this.#file;
    if (isLent) this.#lock.grewTo(size);
    return statusOf(this.record, {
      algorithm: this.content.algorithm,
      offset: this.content.isLoaded ? this.content.offset : this.#saved,
      size,
      updatedAt,
      holder: this.#lock.holder,
      rate: this.#lock.rate,
    });
  }

  /** Remembers why the last commit was refused. */
  refused(reason: string): void {
    this.keeper.noteError(this.#damage.reason ?? reason);
  }

  /** @throws CasError INGEST_SEALED when it is being removed or committed, or was */
  checkOpen(): void {
    this.#life.checkOpen(this.ref);
  }

  /**
   * Takes the ingest for writing; {@link unlock} gives it back. `thread` is the caller's, where it is known.
   * @throws CasError INGEST_BUSY, saying who holds it and since when; INGEST_SEALED
   */
  lock(thread?: number): void {
    this.checkOpen();
    this.#lock.take(this.ref, thread);
    this.retain();
    if (this.#damage.forgive()) this.keeper.noteError(undefined);
  }

  /** Ends the writer's session: the rest is hashed in the background, and its data starts on its way to the disk. */
  unlock(): void {
    this.#lock.give();
    const ending = this.#life.state === 'open' ? this.content.sessionEnded() : undefined;
    // The file stays open until it is known whose it is.
    if (ending !== undefined) this.using(() => ending).catch(() => undefined);
    this.release();
  }

  /** Keeps the data file open until {@link release}. */
  retain(): void {
    this.#usage.retain();
  }

  /** Keeps the data file open while something is done with it. */
  using<T>(action: () => Promise<T>): Promise<T> {
    return this.#usage.using(action);
  }

  release(): void {
    this.#usage.release();
  }

  /** Writes down what is only in memory and closes the data file, unless it is in use. */
  settle(): Promise<void> {
    return this.#usage.settle();
  }

  /** Declares the total size in bytes or the digest; both survive a restart. */
  async expect(expectations: Expectations): Promise<void> {
    this.checkOpen();
    await this.keeper.expect(expectations);
  }

  /**
   * The open data file. Whoever is no writer holds it by {@link retain}.
   * @throws CasError INGEST_NOT_FOUND once it has ended: another may have its path by then
   */
  async open(): Promise<number> {
    if (this.#life.state === 'ended' && this.#file.openFd === undefined) throw this.#notFound();
    return this.#file.open();
  }

  /**
   * stat(2) of the data file, which is not opened for it.
   * @throws CasError INGEST_NOT_FOUND once it has ended
   */
  stat(): BigIntStats {
    const stats = this.#file.stat(this.#life.state !== 'ended');
    if (stats === undefined) throw this.#notFound();
    return stats;
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    return read(await this.open(), into, offset);
  }

  /**
   * Writes `data` at `offset`; may take fewer bytes, as pwrite(2). Only what was taken counts as hashed.
   * @throws CasError INGEST_SEALED; the system's own errors, such as ENOSPC, which leave the ingest resumable
   */
  async write(data: Uint8Array, offset: number): Promise<IngestWritten> {
    const written = await this.content.write(data, offset);
    this.#lock.wrote(written.size);
    return written;
  }

  /** Cuts or extends the file; extending leaves a hole. */
  truncate(size: number): Promise<void> {
    return this.content.truncate(size);
  }

  /** Cuts off what is above `size`, unless that has gone meanwhile. */
  cut(size: number): Promise<void> {
    return this.using(() => this.content.cut(size));
  }

  /** fsync(2) of an ingest: its bytes so far and its name are on the disk. An error is final for the ingest. */
  async persist(): Promise<void> {
    this.#file.checkSound(this.ref);
    await this.content.persist();
    await this.keeper.quiet();
    // One that has ended has no name, or one that its commit makes durable.
    if (this.#life.state !== 'ended') await this.#file.persistName();
  }

  /** Makes the data durable, or such that no name can be durable before it. An error is final for the ingest. */
  async sync(): Promise<void> {
    this.#file.checkSound(this.ref);
    await this.#file.drained();
    await this.#file.sync();
  }

  /**
   * Holds up further writes and waits for those under way, until {@link unseal}, {@link commit} or {@link end}; of
   * one that is to `end`, nothing more needs to be hashed.
   */
  async seal(toEnd = false): Promise<void> {
    this.checkOpen();
    this.#life.seal();
    this.#usage.wake();
    if (toEnd) this.content.dispose();
    await this.quiet();
    await this.#file.drained();
  }

  /** Settles when nothing but its bytes is being written. */
  async quiet(): Promise<void> {
    await this.content.quiet();
    await this.keeper.quiet();
  }

  unseal(): void {
    this.#life.become('open');
    this.retain();
    this.release();
  }

  /** Keeps the name of an ingest whose bytes are a blob now. */
  async commit(): Promise<void> {
    await this.#become('committed');
  }

  /**
   * The digest of the whole file; call only while sealed. See {@link Content.digest} for `expected`.
   * @throws CasError INGEST_FAILED after a failed sync; the system's error where the file cannot be read
   */
  async digest(algorithm: Algorithm, expected?: Digest): Promise<Digest> {
    this.#file.checkSound(this.ref);
    return this.content.digest(algorithm, expected);
  }

  /** The digest of the first {@link IngestStatus.offset} bytes. */
  prefixDigest(): Promise<Digest> {
    return this.using(() => this.content.prefixDigest());
  }

  /**
   * How many bytes from the start are hashed, and their digest, once all that is queued is. Undefined where they are
   * rewritten meanwhile, and, unless it may `load` it, where what an earlier run has saved was not looked at so far.
   */
  async reached(load = true): Promise<Reached | undefined> {
    if (this.content.isLoaded || this.#life.state !== 'open') return this.content.reached();
    if (!load) return undefined;
    return this.using(async () => {
      await this.content.resume();
      return this.content.reached();
    });
  }

  /** The error for whoever wants it while a writer has it. */
  busy(): CasError {
    return this.#lock.busy(this.ref);
  }

  /** Ends it for good, committed or removed. Who has it open can still read what it was. */
  async end(): Promise<void> {
    this.#usage.wake();
    await this.#become('ended');
  }

  async #become(state: 'committed' | 'ended'): Promise<void> {
    this.#life.become(state);
    this.content.dispose();
    await this.#usage.end();
  }

  #notFound(): CasError {
    return new CasError('INGEST_NOT_FOUND', { subject: this.ref });
  }
}
