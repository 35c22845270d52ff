import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { bind } from '../../store/libc.js';
import { until } from '../src/process/site.js';
import { loopDevicesOf } from './left-behind.js';

/*
 * What can be done to the disks of `test/e2e/disk.ts`.
 */

const execute = promisify(execFile);
/** A test that mounts a disk, which only root can. */
export const rooted = process.getuid?.() === 0 ? test.serial : test.serial.skip;

const FILLER = 'filler';

/** Takes all the space there is. */
export function fill(disk: string): void {
  const fd = fs.openSync(join(disk, FILLER), 'a');
  try {
    for (let size = 1 << 20; size > 0; size >>= size > 1 ? 4 : 1) {
      const zeros = Buffer.alloc(size);
      try {
        while (fs.writeSync(fd, zeros) === size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** Gives the space back. */
export function empty(disk: string): void {
  fs.rmSync(join(disk, FILLER));
}

const ioctl = bind('int ioctl(int, unsigned long, void*)');
const EXT4_IOC_SHUTDOWN = 0x8004587d;
const NOLOGFLUSH = Buffer.of(2, 0, 0, 0);

/** Stops the disk as a power cut does: what is not on it by now never comes there. */
export function cutPower(disk: string): void {
  const fd = fs.openSync(disk, 'r');
  try {
    ioctl(fd, EXT4_IOC_SHUTDOWN, NOLOGFLUSH);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Mounts a disk again after {@link cutPower}; nothing on it may be open. As long as the kernel has not let go of the last
 * mount, which a mount namespace that was copied meanwhile holds too, the next one would be of the same file system, that
 * has stopped.
 */
export async function mountAgain(disk: string): Promise<void> {
  const image = join(dirname(disk), 'image');
  await execute('umount', [disk]);
  await until('the loop device is gone', () => loopDevicesOf(image).length === 0);
  await execute('mount', ['-o', 'loop', image, disk]);
}
