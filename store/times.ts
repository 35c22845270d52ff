import { bind } from './libc.js';

const futimens = bind('int futimens(int, const void*)');
const utimensat = bind('int utimensat(int, const char*, const void*, int)');

/** tv_nsec of utimensat(2): the present time, or leave as it is. */
const UTIME_NOW = (1n << 30n) - 1n;
const UTIME_OMIT = (1n << 30n) - 2n;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** Nanoseconds since the epoch, the present, or no change. */
export type TimeChange = bigint | 'now' | undefined;

/** Sets the times of an open file, to the nanosecond. */
export function setTimes(fd: number, atime: TimeChange, mtime: TimeChange): void {
  futimens(fd, timespecs(atime, mtime));
}

/** Sets the times of a file by its path, to the nanosecond; a symbolic link is not followed. */
export function setPathTimes(path: string, atime: TimeChange, mtime: TimeChange): void {
  utimensat(AT_FDCWD, path, timespecs(atime, mtime), AT_SYMLINK_NOFOLLOW);
}

function timespecs(...times: readonly TimeChange[]): Uint8Array {
  const bytes = Buffer.alloc(16 * times.length);
  times.forEach((time, index) => {
    const [seconds, nanoseconds] = timespec(time);
    bytes.writeBigInt64LE(seconds, 16 * index);
    bytes.writeBigInt64LE(nanoseconds, 16 * index + 8);
  });
  return bytes;
}

function timespec(time: TimeChange): [seconds: bigint, nanoseconds: bigint] {
  if (time === undefined) return [0n, UTIME_OMIT];
  if (time === 'now') return [0n, UTIME_NOW];
  const nanoseconds = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return [(time - nanoseconds) / 1_000_000_000n, nanoseconds];
}
