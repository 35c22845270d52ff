import { closeSync, constants } from 'node:fs';
import { bind } from './libc.js';

const openat = bind('int openat(int, const char*, int)');
const O_CLOEXEC = 0o2000000;
const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC;

/**
 * Fails where the file system of an open directory has shut itself down. xfs does so after an error of its log, and
 * goes on to call fsync(2) of a directory a success although the names in it are lost (Linux 6.18: the log that is
 * given up unpins the inode, and xfs_log_force_inode finds nothing to wait for); open(2) tells. 6 µs.
 * @throws the system's error, EIO
 */
export function throwIfShutDown(directory: number): void {
  try {
    closeSync(openat(directory, '.', FLAGS));
  } catch (error) {
    // Any other, such as EMFILE, says nothing of the disk.
    if (error instanceof Error && 'code' in error && error.code === 'EIO') throw error;
  }
}
