import fs from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { bind } from './libc.js';
import { throwIfShutDown } from './shut-down.js';

/*
 * File operations on plain descriptors (node:fs/promises wraps each in an object, at twice the cost).
 *
 * A trip to the thread pool and back costs 25 µs here, a cached metadata operation 5 µs. So small operations are
 * made at once while no other is under way, and on the pool while one is: then a journal commit may be running,
 * and waiting for it must hold up nobody else.
 */

let underWay = 0;

/** Whether an operation is under way on the pool. */
export function isBusy(): boolean {
  return underWay > 0;
}

/** Counts an operation on the pool as under way until it settles. */
export async function onPool<T>(operation: Promise<T>): Promise<T> {
  underWay++;
  try {
    return await operation;
  } finally {
    underWay--;
  }
}

/** An operation that is made at once while no other is under way. */
function small<A extends unknown[], T>(
  now: (...args: A) => T,
  later: (...args: A) => Promise<T>,
): (...args: A) => Promise<T> {
  return async (...args) => (underWay === 0 ? now(...args) : onPool(later(...args)));
}

/** An operation that may take long whatever is under way. */
function large<A extends unknown[], T>(later: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  return (...args) => onPool(later(...args));
}

const { O_NOFOLLOW, O_RDONLY, O_DIRECTORY } = fs.constants;
const openFile = small<[string, number, number], number>(fs.openSync, promisify(fs.open));

export const chown = small(fs.fchownSync, promisify(fs.fchown));
export const close = small(fs.closeSync, promisify(fs.close));
export const closeLarge = large(promisify(fs.close));
export const fchmod = small(fs.fchmodSync, promisify(fs.fchmod));
export const fdatasync = large(promisify(fs.fdatasync));
export const fsync = large(promisify(fs.fsync));
export const ftruncate = large((fd: number, size: number) => promisify(fs.ftruncate)(fd, size));
export const mkdir = small(
  (path: string, mode: number): unknown => fs.mkdirSync(path, mode),
  (path, mode): Promise<unknown> => fs.promises.mkdir(path, mode),
);
export const rename = small(fs.renameSync, promisify(fs.rename));
export const rmdir = small(
  (path: string) => fs.rmdirSync(path),
  (path) => fs.promises.rmdir(path),
);
export const unlink = small(fs.unlinkSync, promisify(fs.unlink));

/** Opens a file of the store; a symbolic link in its place is refused (ELOOP). */
export function open(path: string, flags: number, mode = 0o600): Promise<number> {
  return openFile(path, flags | O_NOFOLLOW, mode);
}

/** Opens a directory for fsync and *at calls. */
export function openDirectory(path: string): Promise<number> {
  return openFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

/** Opens the file that `fd` is once more, wherever it has been moved. Its inode is in memory, so this waits for nothing. */
export function reopen(fd: number, flags: number): number {
  return fs.openSync(`/proc/self/fd/${fd}`, flags);
}

const dup3 = bind('int dup3(int from, int to, int flags)');
const O_CLOEXEC = 0o2000000;

/** Lets `fd` be what `other` is, which is closed. Calls under way on other threads end with what `fd` was. */
export function replaceDescriptor(fd: number, other: number): void {
  dup3(other, fd, O_CLOEXEC);
  fs.closeSync(other);
}

/** fsync(2) of a directory: the names in it are on the disk. */
export async function fsyncDirectory(path: string): Promise<void> {
  const fd = await openDirectory(path);
  try {
    await fsync(fd);
    throwIfShutDown(fd);
  } finally {
    await close(fd);
  }
}

/** stat(2) of an open file, with nanosecond times. Its inode is in memory, so this waits for nothing. */
export function fstat(fd: number): fs.BigIntStats {
  return fs.fstatSync(fd, { bigint: true });
}

/**
 * lstat(2) with nanosecond times; undefined where there is nothing. Made at once: it waits for no journal, at most
 * for a block of the directory.
 */
export function lstat(path: string): fs.BigIntStats | undefined {
  return fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/** pread(2): the number of bytes read, 0 at the end. */
export function read(fd: number, into: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, into, 0, into.length, offset, (error, size) => {
      if (error) reject(error);
      else resolve(size);
    });
  });
}

/**
 * How much is written at a time. A buffered write of 1 MiB makes ext4 look for pages that lie together, which took
 * 1.6 ms on a loop device where four writes of 256 KiB took 0.2 ms.
 */
export const PIECE = 256 << 10;

/**
 * pwrite(2): the number of bytes written, which may be fewer than given. `now` has it made at once, piece by piece:
 * a copy into the page cache takes 60 µs for 256 KiB, a trip to the thread pool up to 400 µs while others compute.
 */
export async function write(fd: number, data: Uint8Array, offset: number, now: boolean): Promise<number> {
  let written = 0;
  while (written < data.length) {
    const piece = data.subarray(written, written + PIECE);
    try {
      const at = offset + written;
      const size = now
        ? fs.writeSync(fd, piece, 0, piece.length, at)
        : await onPool(writeLater(fd, piece, at));
      written += size;
      if (size < piece.length) break;
    } catch (error) {
      if (written === 0) throw error;
      break;
    }
  }
  return written;
}

function writeLater(fd: number, data: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, data, 0, data.length, offset, (error, size) => {
      if (error) reject(error);
      else resolve(size);
    });
  });
}

/** Writes all of it, on the thread pool: for what the disk may take longer to take than its source to give. */
export async function writeAll(fd: number, data: Uint8Array, offset: number): Promise<void> {
  // A full disk may take some of it first; its error comes with the next call.
  for (let written = 0; written < data.length;)
    written += await write(fd, data.subarray(written), offset + written, false);
}

const renameat2 = bind('int renameat2(int, const char*, int, const char*, unsigned int)');
const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;

/** rename(2) that never replaces: EEXIST where the target is there. */
export const renameNoReplace = small(
  (from: string, to: string) => renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE),
  (from, to) => renameat2.later(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE),
);

/** Makes a small file that must not be there yet, and syncs what is in it: its name can be durable only with that. */
export const createFile = large((path: string, text: string) =>
  fs.promises.writeFile(path, text, { flag: 'wx', mode: 0o600, flush: true }),
);

/**
 * Replaces a small file: written beside it, then renamed over it, so that a reader sees one or the other. With
 * `durable` this also holds after a power cut, and when it settles the new one is there for good.
 */
export async function replaceFile(path: string, text: string | Uint8Array, durable = false): Promise<void> {
  await onPool(fs.promises.writeFile(`${path}.tmp`, text, { mode: 0o600, flush: durable }));
  await rename(`${path}.tmp`, path);
  if (durable) await fsyncDirectory(dirname(path));
}

/** The names in a directory; none where there is no directory. */
export async function readNames(path: string): Promise<string[]> {
  return (await ifPresent(fs.promises.readdir(path))) ?? [];
}

/** Whether `error` is a system error with that code. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** What it gives; undefined where the file is not there. */
export async function ifPresent<T>(action: Promise<T>): Promise<T | undefined> {
  return action.catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  });
}

/**
 * mkdir(2) of a directory that may be there already. What it is in must be there: Node's recursive one would make it
 * anew where it was moved away meanwhile, and answers ENOENT where the disk is full.
 */
export async function ensureDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, mode).catch(unlessThere);
}

/** {@link ensureDirectory}, made at once whatever is under way. */
export function ensureDirectoryNow(path: string, mode: number): void {
  try {
    fs.mkdirSync(path, mode);
  } catch (error) {
    unlessThere(error);
  }
}

/** {@link ensureDirectory} of a path and all that is missing above it, with the same mode. */
export async function ensureDirectories(path: string, mode: number): Promise<void> {
  try {
    await ensureDirectory(path, mode);
  } catch (error) {
    const above = dirname(path);
    if (!isCode(error, 'ENOENT') || above === path) throw error;
    await ensureDirectories(above, mode);
    await ensureDirectory(path, mode);
  }
}

function unlessThere(error: unknown): void {
  if (!isCode(error, 'EEXIST')) throw error;
}
