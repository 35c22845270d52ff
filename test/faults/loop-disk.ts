import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { loopDevicesOf } from '../helpers/left-behind.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { until } from '../src/process/site.js';
import { unmountOnceFree } from './unmount-once-free.js';

const execute = promisify(execFile);

/** What a disk is formatted with. `ext4` keeps the order of names and data, `ext4 without a journal` does not. */
export type Format = 'ext4' | 'ext4 without a journal' | 'xfs';

const MAKE: Readonly<Record<Format, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-F', '-m', '0', '-b', '4096'],
  'ext4 without a journal': ['mkfs.ext4', '-q', '-F', '-m', '0', '-b', '4096', '-O', '^has_journal'],
  xfs: ['mkfs.xfs', '-q'],
};

/** A file system of the test's own in a file, which can be taken away and mounted again. */
export class LoopDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #image: string;

  private constructor(directory: string) {
    this.path = `${directory}/disk`;
    this.#image = `${directory}/image`;
    fs.mkdirSync(this.path);
  }

  /** Makes one of so many MiB (xfs wants 300) and mounts it until the test ends. */
  static async of(t: ExecutionContext, format: Format, mebibytes = 320): Promise<LoopDisk> {
    const disk = new LoopDisk(temporaryDirectory(t));
    fs.writeFileSync(disk.#image, '');
    fs.truncateSync(disk.#image, mebibytes << 20);
    const [program = '', ...options] = MAKE[format];
    await execute(program, [...options, disk.#image]);
    await disk.mount();
    t.teardown(() => disk.#discard());
    return disk;
  }

  get mounted(): boolean {
    return fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${this.path} `);
  }

  async mount(): Promise<void> {
    await execute('mount', ['-o', 'loop', this.#image, this.path]);
  }

  /**
   * Unmounts it as soon as a daemon that has just ended has let go of it, and waits until the kernel has too: what is
   * mounted before that is the same file system, that may have stopped.
   */
  async unmount(): Promise<void> {
    await unmountOnceFree(this.path);
    await until('the loop device is gone', () => loopDevicesOf(this.#image).length === 0);
  }

  /** Whoever still has files of it open keeps the device too, and a mount that was detached does: then it is told to go. */
  async #discard(): Promise<void> {
    if (this.mounted) await this.unmount().catch(() => execute('umount', ['-l', this.path]));
    for (const device of loopDevicesOf(this.#image))
      await execute('losetup', ['-d', device]).catch(() => undefined);
    await until('the loop device is gone', () => loopDevicesOf(this.#image).length === 0);
  }
}
