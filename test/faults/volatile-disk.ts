import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { loopDevicesOf } from '../helpers/left-behind.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { until } from '../src/process/site.js';
import { program } from './program.js';
import { unmountOnceFree } from './unmount-once-free.js';

const execute = promisify(execFile);

/** What becomes of the writes that were not flushed: all are lost, or some sectors of some are kept, drawn by a seed. */
export type Cut = 'drop' | `tear ${number}`;

export interface DiskOptions {
  readonly type: 'ext4' | 'xfs';
  readonly mebibytes: number;
  /** Options of mount(8). */
  readonly options?: string;
}

/**
 * A file system on a disk with a volatile write cache, mounted at {@link VolatileDisk.path}: the program volatile-disk
 * serves the disk, a loop device stands on it. All is gone when the test ends.
 */
export class VolatileDisk {
  readonly path: string;
  readonly #directory: string;
  readonly #options: DiskOptions;
  #server: ChildProcess | undefined;

  private constructor(directory: string, options: DiskOptions) {
    this.#directory = directory;
    this.#options = options;
    this.path = `${directory}/disk`;
  }

  /** Makes the disk and a new file system on it. */
  static async of(t: ExecutionContext, options: DiskOptions): Promise<VolatileDisk> {
    const disk = new VolatileDisk(temporaryDirectory(t), options);
    t.teardown(() => disk.#close());
    await disk.#serve();
    // Discarded blocks would be zeros at once, and are not passed on anyway.
    const make =
      options.type === 'ext4' ? ['mkfs.ext4', '-q', '-F', '-E', 'nodiscard'] : ['mkfs.xfs', '-q', '-K'];
    const device = (await execute('losetup', ['--find', '--show', disk.#image])).stdout.trim();
    await execute(make[0] ?? '', [...make.slice(1), device]).finally(() =>
      execute('losetup', ['-d', device]),
    );
    await disk.mount();
    return disk;
  }

  /** How many bytes are in the cache, and how many all cuts have met there. */
  get cache(): { readonly now: number; readonly lost: number } {
    const [now, lost] = fs
      .readFileSync(`${this.#directory}/server/control`, 'utf8')
      .trim()
      .split(' ')
      .map(Number);
    return { now: now ?? NaN, lost: lost ?? NaN };
  }

  /** From now on every request fails. */
  cut(order: Cut): void {
    this.#order(order);
  }

  /** After a {@link cut}, and once nobody uses the file system: takes it away and mounts what the disk kept. */
  async recover(): Promise<void> {
    await this.unmount();
    this.#order('on');
    await this.mount();
  }

  async mount(): Promise<void> {
    const { type, options } = this.#options;
    await execute('mount', [
      '-t',
      type,
      '-o',
      ['loop', options].filter(Boolean).join(),
      this.#image,
      this.path,
    ]);
  }

  async unmount(): Promise<void> {
    await unmountOnceFree(this.path);
    await until('the loop device is gone', () => loopDevicesOf(this.#image).length === 0);
  }

  get #image(): string {
    return `${this.#directory}/server/image`;
  }

  #order(order: string): void {
    fs.writeFileSync(`${this.#directory}/server/control`, order);
  }

  async #serve(): Promise<void> {
    const server = `${this.#directory}/server`;
    fs.mkdirSync(server);
    fs.mkdirSync(this.path);
    const path = await program(
      'volatile-disk',
      '-D_FILE_OFFSET_BITS=64',
      '-I/usr/include/fuse3',
      '-Wl,--no-as-needed',
      '-lfuse3',
    );
    const size = `${this.#options.mebibytes << 20}`;
    this.#server = spawn(path, [size, server, '-f', '-s'], { stdio: ['ignore', 'ignore', 'inherit'] });
    await until('the disk is there', () => fs.existsSync(this.#image));
  }

  async #close(): Promise<void> {
    await this.unmount().catch(() => execute('umount', ['-l', this.path]).catch(() => undefined));
    const server = this.#server;
    await execute('umount', [`${this.#directory}/server`]).catch(() =>
      execute('umount', ['-l', `${this.#directory}/server`]).catch(() => undefined),
    );
    if (server?.exitCode === null) {
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
    }
  }
}
