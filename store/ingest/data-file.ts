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
  reopen,
  replaceDescriptor,
  write,
} from '../files.js';
import { isSole } from '../lease.js';
import type { Ref } from '../ref.js';
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
  #lent: boolean;
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
    this.#lent = lent;
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
    return this.#lent ? Number(this.stat(true)?.size ?? this.#size) : this.#size;
  }

  get updatedAt(): Date {
    return this.#lent ? (this.stat(true)?.mtime ?? this.#updatedAt) : this.#updatedAt;
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
    return this.#lent;
  }

  /**
   * Lets others write the file, which is open, until {@link takeBack}.
   * @returns a descriptor that stands for it, and cannot write
   */
  lend(fd: number): number {
    this.#reader ??= reopen(fd, O_RDONLY);
    this.#lent = true;
    return this.#reader;
  }

  /** It is known that nobody else can write it. */
  isOurs(): void {
    this.#lent = false;
  }

  /**
   * Whether nobody else can write the file, from now on; if so, `found` is called with its size before anything else is
   * done. Our own descriptor cannot write until it has to again.
   */
  async takeBack(found: (size: number) => void): Promise<boolean> {
    const fd = await this.open();
    while (this.#changes.underWay) await this.#changes.drained();
    // Closed meanwhile, or taken back.
    if (this.#fd !== fd || !this.#lent) return !this.#lent;
    if (this.#writable) {
      replaceDescriptor(fd, this.#reader ?? reopen(fd, O_RDONLY));
      this.#reader = undefined;
      this.#writable = false;
    }
    if (!isSole(fd)) return false;
    const { size, mtime } = fstat(fd);
    this.#size = Number(size);
    this.#updatedAt = mtime;
    this.#synced = undefined;
    this.#lent = false;
    found(this.#size);
    return true;
  }

  /** Makes what was written durable, or such that no name can be durable before it. One sync serves all who ask. */
  async sync(): Promise<void> {
    const fd = await this.open();
    if (this.#lent) this.#synced = undefined;
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
    const { size } = this;
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
    const [fd, reader, { size }] = [this.#fd, this.#reader, this];
    this.#fd = undefined;
    this.#reader = undefined;
    if (reader !== undefined) await close(reader);
    await this.#writeBack.settled();
    if (!gone) await this.#synced?.catch(() => undefined);
    if (fd !== undefined) await (size > LARGE ? closeLarge(fd) : close(fd));
  }

  async #reopen(): Promise<number> {
    // Whether others can write what is lent can be told only while we cannot.
    let writable = !this.#lent;
    const fd = await open(this.#path, writable ? O_RDWR : O_RDONLY).catch((error: unknown) => {
      if (!writable || !isCode(error, 'EACCES')) throw error;
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
    const fd = await this.open();
    if (!this.#writable) replaceDescriptor(fd, reopen(fd, O_RDWR));
    this.#writable = true;
    return fd;
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
