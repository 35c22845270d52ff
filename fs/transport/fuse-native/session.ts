import { closeSync, constants as files } from 'node:fs';
import { bind } from '../../../store/libc.js';
import { permissionChecks } from '../permission-checks.js';
import type { MountRequest } from '../transport.js';
import { MAX_TRANSFER } from './buffers.js';
import type { Libfuse } from './library.js';
import { overhear } from './standard-error.js';
import type { Pointer } from './structures.js';

/**
 * What libfuse is told in any case: writes of 128 KiB and not of 4, and O_TRUNC as a flag of OPEN and not as a
 * truncation before it. `nonempty` leaves it to the caller to refuse a mountpoint that has files.
 */
const OPTIONS = [
  'big_writes',
  `max_write=${MAX_TRANSFER}`,
  'atomic_o_trunc',
  'nonempty',
  'subtype=cas-mount',
];
/** Options that libfuse 2 does not know and that mean nothing here: FUSE keeps no access times. */
const IDLE = /^(no)?(dir|rel|strict|lazy)a?time$/;
/** The size of struct fuse_args. */
const ARGS = 24;
const F_SETFD = 2;
const F_SETFL = 4;
const FD_CLOEXEC = 1;

const fcntl = bind('int fcntl(int fd, int command, int argument)');

/** A session of libfuse, mounted. */
export class Session {
  readonly channel: Pointer;
  readonly fd: number;
  readonly #fuse: Libfuse;
  readonly #session: Pointer;
  #open = true;

  /**
   * Mounts, with `operations` for a struct fuse_lowlevel_ops.
   * @throws Error with what libfuse or fusermount said
   */
  constructor(fuse: Libfuse, { mountpoint, source, options }: MountRequest, operations: Buffer) {
    this.#fuse = fuse;
    const args = Buffer.alloc(ARGS);
    fuse.addArgument(args, 'cas-mount');
    fuse.addArgument(args, `-o${optionString(source, options)}`);
    try {
      this.channel = needed(() => fuse.mount(mountpoint, args));
      this.fd = fuse.descriptor(this.channel) as number;
      // A child that inherited it would keep the clients of a dead daemon waiting.
      fcntl(this.fd, F_SETFD, FD_CLOEXEC);
      fcntl(this.fd, F_SETFL, files.O_RDWR | files.O_NONBLOCK);
      this.#session = this.#create(mountpoint, args, operations);
    } finally {
      fuse.freeArguments(args);
    }
  }

  /** Has libfuse take a request apart and call the operation for it. */
  process(message: Buffer, length: number): void {
    this.#fuse.process(this.#session, message, length, this.channel);
  }

  /** Closes /dev/fuse: requests that have no answer fail. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.fd);
  }

  /** Frees what libfuse holds, once closed and no request is under way; the channel would close its number again. */
  destroy(): void {
    this.#fuse.removeChannel(this.channel);
    this.#fuse.destroySession(this.#session);
  }

  #create(mountpoint: string, args: Buffer, operations: Buffer): Pointer {
    try {
      const session = needed(() => this.#fuse.createSession(args, operations, operations.length, null));
      this.#fuse.addChannel(session, this.channel);
      return session;
    } catch (error) {
      this.#fuse.unmount(mountpoint, this.channel);
      throw error;
    }
  }
}

function optionString(source: string, options: readonly string[]): string {
  const name = source.replace(/[\\,]/g, '\\$&');
  const known = options.filter((option) => !IDLE.test(option));
  return [...OPTIONS, ...permissionChecks(options), `fsname=${name}`, ...known].join(',');
}

function needed(make: () => unknown): Pointer {
  const { result, said } = overhear(make);
  if (result === null) throw new Error(said || 'libfuse could not mount');
  return result as Pointer;
}
