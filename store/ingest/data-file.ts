import fs, { type BigIntStats } from 'node:fs';
import { dirname } from 'node:path';
import type { Durability } from '../durability.js';
import { CasError } from '../errors.js';
import {
  close,
  closeLarge,
  fdatasync,
  fstat,
  fsyncDirectory,
  ftruncate,
  isCode,
  lstat,
  open,
  replaceDescriptor,
  write,
} from '../files.js';
import { isSole } from '../lease.js';
import type { Ref } from '../ref.js';
import { replaceByCopy } from './copy-beside.js';
import { Ranges } from './ranges.js';
import { WriteBack } from './write-back.js';

const { O_RDONLY, O_RDWR } = fs.constants;

/** Closing a larger file that was removed may take long: its blocks are freed then. */
const LARGE = 16 << 20;

/**
 * The file that holds an ingest's bytes, opened when needed. Overlapping writes are made one after the other,
 * so that what a write saw being hashed is what the file holds.
 */
export class DataFile {
  readonly #durability: Durability;
  readonly #changes = new Ranges();
  #path: string;
  #fd: number | undefined;
  #opening: Promise<number> | undefined;
  #writable = false;
  #size: number;
  #updatedAt: Date;
  /** The sync of everything written so far, once begun. */
  #synced: Promise<void> | undefined;
  readonly #writeBack: WriteBack;
  #failure: Error | undefined;
  /** `possible`: a writer of an earlier run may still be there. */
  #loan: 'none' | 'possible' | 'made';
  /** A descriptor that cannot write, for the time when the file is lent. */
  #reader: number | undefined;

  /** Told when the failure comes, and when it is gone. */
  onFailure: (failure: Error | undefined) => void = () => undefined;

  /**
   * `fd` is given for a file that was just made, `failure` for one whose sync failed in an earlier run, `lent` where a
   * writer of that run may still be there.
   */
  constructor(
    path: string,
    durability: Durability,
    size: number,
    updatedAt: Date,
    { fd, failure, lent = false }: { fd?: number; failure?: string | undefined; lent?: boolean } = {},
  ) {
    this.#path = path;
    this.#durability = durability;
    this.#writeBack = new WriteBack(durability, (error) => this.#failed(error));
    this.#size = size;
    this.#updatedAt = updatedAt;
    this.#fd = fd;
    this.#writable = fd !== undefined;
    this.#loan = lent ? 'possible' : 'none';
    if (failure !== undefined) this.#failure = new Error(failure);
  }

  get path(): string {
    return this.#path;
  }

  /** Follows the file to where it was moved. */
  set path(path: string) {
    this.#path = path;
  }

  get size(): number {
    return this.#loan === 'made' ? Number(this.stat(true)?.size ?? this.#size) : this.#size;
  }

  get updatedAt(): Date {
    return this.#loan === 'made' ? (this.stat(true)?.mtime ?? this.#updatedAt) : this.#updatedAt;
  }

  /** The error of a failed sync, final until the file is cut to nothing: the kernel drops the pages it could not write. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The descriptor if the file is open now. */
  get openFd(): number | undefined {
    return this.#fd;
  }

  /** @throws CasError INGEST_FAILED after a failed sync */
  checkSound(ref: Ref): void {
    if (this.#failure !== undefined)
      throw new CasError('INGEST_FAILED', { subject: ref, cause: this.#failure });
  }

  /** stat(2), which does not open it; `named`: while its path is its own. Undefined where it is not there. */
  stat(named: boolean): BigIntStats | undefined {
    if (this.#fd !== undefined) return fstat(this.#fd);
    return named ? lstat(this.#path) : undefined;
  }

  /** The open file; read-only where its mode allows the store's owner no more. */
  open(): Promise<number> {
    if (this.#fd !== undefined) return Promise.resolve(this.#fd);
    this.#opening ??= this.#reopen().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  /** Waits for writes under way that overlap the range. Undefined where there are none. */
  clear(start: number, end: number): Promise<void> | undefined {
    return this.#changes.clear(start, end);
  }

  /** pwrite(2); call right after {@link clear}. May take fewer bytes than given. */
  write(data: Uint8Array, offset: number): Promise<number> {
    return this.#changes.during(offset, offset + data.length, this.#write(data, offset));
  }

  /** Cuts or extends the file; extending leaves a hole. Call right after {@link clear} of the whole file. */
  truncate(size: number): Promise<void> {
    return this.#changes.during(0, Infinity, this.#truncate(size));
  }

  /** Settles when no write and no truncation is under way. */
  drained(): Promise<void> {
    return this.#changes.drained();
  }

  /** Whether it may be written without us. */
  get isLent(): boolean {
    return this.#loan !== 'none';
  }

  /** A descriptor that cannot write, by which the kernel can be told of the file before it is lent. */
  async reader(): Promise<number> {
    const fd = await this.open();
    return (this.#reader ??= fs.openSync(`/proc/self/fd/${fd}`, O_RDONLY));
  }

  /** Lets others write the file, until {@link takeBack}. */
  lend(): void {
    this.#loan = 'made';
  }

  /** Whether nobody else can write the file, from now on. Our own descriptor cannot either until it is to. */
  async takeBack(): Promise<boolean> {
    if (!this.isLent) return true;
    await this.#changes.drained();
    const fd = this.#fd;
    if (fd === undefined) this.#fd = await open(this.#path, O_RDONLY);
    else {
      replaceDescriptor(fd, await this.reader());
      this.#reader = undefined;
    }
    this.#writable = false;
    if (this.#fd === undefined || !isSole(this.#fd)) this.#loan = 'made';
    else this.#found(fstat(this.#fd));
    return !this.isLent;
  }

  /**
   * Puts a copy in the place of a file that somebody may go on writing; whatever he writes from now on is lost. Call
   * while nothing else is done with the ingest.
   */
  async replaceByCopy(): Promise<void> {
    const fd = await this.open();
    replaceDescriptor(fd, await replaceByCopy(fd, this.#path));
    this.#writable = false;
    this.#found(fstat(fd));
  }

  /** Makes what was written durable, or such that no name can be durable before it. One sync serves all who ask. */
  async sync(): Promise<void> {
    const fd = await this.open();
    if (this.isLent) this.#synced = undefined;
    this.#synced ??= this.#syncWith(this.#durability.data(fd));
    return this.#synced;
  }

  /**
   * fdatasync(2), once the writes under way are done: all bytes of the file are on the disk.
   * @returns how many those are at least; more may be written meanwhile
   */
  async makeDurable(): Promise<number> {
    const fd = await this.open();
    await this.#changes.settled();
    const size = this.#size;
    await this.#syncWith(fdatasync(fd));
    return size;
  }

  /** fsync(2) of the two directories above the file, of which one may be as new as it. */
  async persistName(): Promise<void> {
    const parent = dirname(this.#path);
    for (const directory of [parent, dirname(parent)]) await fsyncDirectory(directory);
  }

  /**
   * Closes the descriptor, once its write-backs and its sync are done: one that comes later would be of whatever
   * file has its number then. Where the file is `gone`, its sync is not waited for.
   */
  async close(gone = false): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (this.#reader !== undefined) await close(this.#reader);
    this.#reader = undefined;
    await this.#writeBack.settled();
    if (!gone) await this.#synced?.catch(() => undefined);
    if (fd !== undefined) await (this.#size > LARGE ? closeLarge(fd) : close(fd));
  }

  async #reopen(): Promise<number> {
    let writable = true;
    const fd = await open(this.#path, O_RDWR).catch((error: unknown) => {
      if (!isCode(error, 'EACCES')) throw error;
      writable = false;
      return open(this.#path, O_RDONLY);
    });
    this.#fd = fd;
    this.#writable = writable;
    return fd;
  }

  async #write(data: Uint8Array, offset: number): Promise<number> {
    this.#synced = undefined;
    const size = await this.#pwrite(data, offset);
    this.#size = Math.max(this.#size, offset + size);
    this.#updatedAt = new Date();
    if (this.#fd !== undefined) this.#writeBack.wrote(this.#fd, offset + size);
    return size;
  }

  async #truncate(size: number): Promise<void> {
    this.#synced = undefined;
    await ftruncate(await this.#openWritable(), size);
    this.#size = size;
    this.#updatedAt = new Date();
    this.#writeBack.wasCut(size);
    if (size === 0) this.#fail(undefined);
  }

  async #pwrite(data: Uint8Array, offset: number): Promise<number> {
    const fd = this.#fd !== undefined && this.#writable ? this.#fd : await this.#openWritable();
    return write(fd, data, offset, !this.#writeBack.isBehind);
  }

  async #openWritable(): Promise<number> {
    const fd = this.#fd;
    if (fd === undefined || this.#writable) return this.open();
    replaceDescriptor(fd, await open(this.#path, O_RDWR));
    this.#writable = true;
    return fd;
  }

  /** It is ours alone, and as `stats` say. */
  #found({ size, mtime }: BigIntStats): void {
    // When another program has written it below us, an earlier run has not seen that.
    if (this.#loan === 'made') this.#updatedAt = mtime;
    this.#size = Math.max(this.#loan === 'made' ? 0 : this.#size, Number(size));
    this.#loan = 'none';
    this.#synced = undefined;
  }

  /** Waits for a sync, whose error is final. */
  async #syncWith(sync: Promise<void>): Promise<void> {
    await sync.catch((error: unknown) => this.#failed(error));
    // One that is under way may have been told of an error that the sync was then not told of.
    await this.#writeBack.settled();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The kernel tells of a failed write-back once for each open file, whoever asks first. */
  #failed(error: unknown): void {
    this.#fail(error instanceof Error ? error : new Error(String(error)));
  }

  #fail(failure: Error | undefined): void {
    this.#failure = failure;
    this.onFailure(failure);
  }
}
