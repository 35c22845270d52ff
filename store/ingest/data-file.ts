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
  write,
} from '../files.js';
import type { Ref } from '../ref.js';

/** What a write or truncation under way may change. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly done: Promise<unknown>;
}

const { O_RDONLY, O_RDWR } = fs.constants;

/** How much is written before its write-back is begun, so that the sync of a commit has little left to do. */
const WRITEBACK_STEP = 8 << 20;

/**
 * With more write-backs than this under way the disk is behind. The kernel may then hold a writer until it has caught
 * up, and that must not be the main thread.
 */
const WRITEBACKS_AHEAD = 4;

/** Closing a larger file that was removed may take long: its blocks are freed then. */
const LARGE = 16 << 20;

/**
 * The file that holds an ingest's bytes, opened when needed. Overlapping writes are made one after the other,
 * so that what a write saw being hashed is what the file holds.
 */
export class DataFile {
  readonly #durability: Durability;
  readonly #writes = new Set<Range>();
  #path: string;
  #fd: number | undefined;
  #opening: Promise<number> | undefined;
  #writable = false;
  #size: number;
  #updatedAt: Date;
  /** The sync of everything written so far, once begun. */
  #synced: Promise<void> | undefined;
  #begun = 0;
  /** Write-backs that are under way. */
  readonly #writebacks = new Set<Promise<unknown>>();
  #failure: Error | undefined;

  /** Told when the failure comes, and when it is gone. */
  onFailure: (failure: Error | undefined) => void = () => undefined;

  /** `fd` is given for a file that was just made, `failure` for one whose sync failed in an earlier run. */
  constructor(
    path: string,
    durability: Durability,
    size: number,
    updatedAt: Date,
    { fd, failure }: { fd?: number; failure?: string | undefined } = {},
  ) {
    this.#path = path;
    this.#durability = durability;
    this.#size = size;
    this.#updatedAt = updatedAt;
    this.#fd = fd;
    this.#writable = fd !== undefined;
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
    return this.#size;
  }

  get updatedAt(): Date {
    return this.#updatedAt;
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
    return this.#overlapping(start, end) && this.#waitFor(start, end);
  }

  /** pwrite(2); call right after {@link clear}. May take fewer bytes than given. */
  async write(data: Uint8Array, offset: number): Promise<number> {
    this.#synced = undefined;
    const writing = this.#pwrite(data, offset);
    const range = { start: offset, end: offset + data.length, done: writing.catch(() => undefined) };
    this.#writes.add(range);
    try {
      const size = await writing;
      this.#size = Math.max(this.#size, offset + size);
      this.#updatedAt = new Date();
      this.#beginWriteback(offset + size);
      return size;
    } finally {
      this.#writes.delete(range);
    }
  }

  /** Cuts or extends the file; extending leaves a hole. Call right after {@link clear} of the whole file. */
  async truncate(size: number): Promise<void> {
    this.#synced = undefined;
    const cutting = this.#openWritable().then((fd) => ftruncate(fd, size));
    const range = { start: 0, end: Infinity, done: cutting.catch(() => undefined) };
    this.#writes.add(range);
    try {
      await cutting;
      this.#size = size;
      this.#updatedAt = new Date();
      this.#begun = Math.min(this.#begun, size);
      if (size === 0) this.#fail(undefined);
    } finally {
      this.#writes.delete(range);
    }
  }

  /** Settles when no write and no truncation is under way. */
  async drained(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all([...this.#writes].map((range) => range.done));
  }

  /** Makes what was written durable, or such that no name can be durable before it. One sync serves all who ask. */
  async sync(): Promise<void> {
    const fd = await this.open();
    this.#synced ??= this.#syncWith(this.#durability.data(fd));
    return this.#synced;
  }

  /**
   * fdatasync(2), once the writes under way are done: all bytes of the file are on the disk.
   * @returns how many those are at least; more may be written meanwhile
   */
  async makeDurable(): Promise<number> {
    const fd = await this.open();
    await Promise.all([...this.#writes].map((range) => range.done));
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
    await Promise.all(this.#writebacks);
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

  async #pwrite(data: Uint8Array, offset: number): Promise<number> {
    const fd = this.#fd !== undefined && this.#writable ? this.#fd : await this.#openWritable();
    return write(fd, data, offset, this.#writebacks.size <= WRITEBACKS_AHEAD);
  }

  async #openWritable(): Promise<number> {
    if (this.#fd !== undefined && !this.#writable) await this.close();
    return this.open();
  }

  #beginWriteback(end: number): void {
    if (this.#fd === undefined || end - this.#begun < WRITEBACK_STEP) return;
    const writing = this.#durability
      .begin(this.#fd, this.#begun, end - this.#begun)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => this.#writebacks.delete(writing));
    this.#writebacks.add(writing);
    this.#begun = end;
  }

  /** Waits for a sync, whose error is final. */
  async #syncWith(sync: Promise<void>): Promise<void> {
    await sync.catch((error: unknown) => this.#failed(error));
    // One that is under way may have been told of an error that the sync was then not told of.
    await Promise.all(this.#writebacks);
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

  #overlapping(start: number, end: number): Range | undefined {
    for (const range of this.#writes) if (range.start < end && start < range.end) return range;
    return undefined;
  }

  async #waitFor(start: number, end: number): Promise<void> {
    for (let range = this.#overlapping(start, end); range; range = this.#overlapping(start, end))
      await range.done;
  }
}
