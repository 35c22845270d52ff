import fs from 'node:fs';
import { promisify } from 'node:util';
import { bind } from './libc.js';

/*
 * File operations on plain descriptors. node:fs/promises wraps each descriptor in an object, which costs twice
 * the time of a small operation (24 µs a call here).
 */

const openFile = promisify(fs.open);
export const close = promisify(fs.close);
export const ftruncate = promisify(fs.ftruncate);
export const fsync = promisify(fs.fsync);
export const fchmod = promisify(fs.fchmod);
export const chown = promisify(fs.fchown);
export const rename = promisify(fs.rename);
export const unlink = promisify(fs.unlink);
export const mkdir = promisify(fs.mkdir);
export const rmdir = promisify(fs.rmdir);

const { O_NOFOLLOW, O_RDONLY, O_DIRECTORY } = fs.constants;

/** Opens a file of the store; a symbolic link in its place is refused (ELOOP). */
export function open(path: string, flags: number, mode = 0o600): Promise<number> {
  return openFile(path, flags | O_NOFOLLOW, mode);
}

/** Opens a directory for fsync and *at calls. */
export function openDirectory(path: string): Promise<number> {
  return openFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/** stat(2) of an open file, with nanosecond times. */
export function fstat(fd: number): Promise<fs.BigIntStats> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, { bigint: true }, (error, stats) => {
      if (error) reject(error);
      else resolve(stats);
    });
  });
}

/** lstat(2) with nanosecond times; undefined where there is nothing. */
export function lstat(path: string): Promise<fs.BigIntStats | undefined> {
  return new Promise((resolve, reject) => {
    fs.lstat(path, { bigint: true }, (error, stats) => {
      if (!error) resolve(stats);
      else if (error.code === 'ENOENT' || error.code === 'ENOTDIR') resolve(undefined);
      else reject(error);
    });
  });
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

/** pwrite(2): the number of bytes written, which may be fewer than given. */
export function write(fd: number, data: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, data, 0, data.length, offset, (error, size) => {
      if (error) reject(error);
      else resolve(size);
    });
  });
}

const renameat2 = bind('int renameat2(int, const char*, int, const char*, unsigned int)');
const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;

/** rename(2) that never replaces: EEXIST where the target is there. */
export async function renameNoReplace(from: string, to: string): Promise<void> {
  await renameat2.later(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

/** Replaces a small file: written beside it, then renamed over it, so that a reader sees one or the other. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await fs.promises.writeFile(`${path}.tmp`, text, { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}

/** Whether `error` is a system error with that code. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Does it, and ignores that the file is not there. */
export async function ifPresent(action: Promise<unknown>): Promise<void> {
  await action.catch((error: unknown) => {
    if (!isCode(error, 'ENOENT')) throw error;
  });
}
