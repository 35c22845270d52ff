import { closeSync, constants, openSync, statfsSync } from 'node:fs';
import { type Mount, mountIdOf, mounts } from '../fs/mounts.js';
import { unmountThroughHelper } from '../fs/transport/kernel/fusermount.js';
import { bind } from '../store/libc.js';

/** Of fcntl.h: the file is named, and not opened, so its daemon need not answer. */
const O_PATH = 0o10000000;
const MNT_DETACH = 2;

/** FUSE answers so when the daemon is gone, or the connection was aborted. */
const DEAD = ['ENOTCONN', 'ECONNABORTED'];

const umount2 = bind('int umount2(const char *, int)');

/** A mount that a descriptor keeps in mind: whatever is mounted at its path meanwhile is not taken for it. */
export class PinnedMount {
  readonly mount: Mount;
  readonly #fd: number;

  private constructor(mount: Mount, fd: number) {
    this.mount = mount;
    this.#fd = fd;
  }

  /**
   * The topmost mount on `path`, a canonical one; undefined where nothing is mounted. Never waits for a daemon.
   * @throws the system's error where the path cannot be reached
   */
  static at(path: string): PinnedMount | undefined {
    const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
    const id = mountIdOf(fd);
    const mount = mounts().find((candidate) => candidate.id === id && candidate.mountpoint === path);
    if (mount !== undefined) return new PinnedMount(mount, fd);
    closeSync(fd);
    return undefined;
  }

  /** Whether its daemon is gone. Waits for one that hangs. */
  get isDead(): boolean {
    try {
      statfsSync(this.#path);
      return false;
    } catch (error) {
      return DEAD.includes((error as NodeJS.ErrnoException).code ?? '');
    }
  }

  /**
   * Unmounts it lazily, a FUSE mount: by umount2(2), or where that is not allowed by fusermount3. One that was replaced
   * is left alone, and so is one that another mount covers. umount2 takes what is topmost on the descriptor's directory,
   * so what covers it between the look and the call is detached in its stead; fusermount3 goes by the path alone.
   * @returns false where it is not topmost any more
   * @throws what the kernel or fusermount3 say
   */
  async detach(): Promise<boolean> {
    if (!this.#isTopmost()) return false;
    try {
      umount2(this.#path, MNT_DETACH);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EINVAL' && !this.#isTopmost()) return false;
      if (code !== 'EPERM') throw error;
      await unmountThroughHelper(this.mount.mountpoint, true);
    }
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #isTopmost(): boolean {
    return mounts().findLast(({ mountpoint }) => mountpoint === this.mount.mountpoint)?.id === this.mount.id;
  }

  /** Leads to the mount itself, whatever is at its mountpoint. */
  get #path(): string {
    return `/proc/self/fd/${this.#fd}`;
  }
}
