import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { bind, systemError } from '../../../store/libc.js';
import { errnoOf } from '../../errors.js';
import { mountAt } from '../../mounts.js';
import { detachThroughHelper, unmountThroughHelper } from '../kernel/fusermount.js';

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const umount2 = bind('int umount2(const char *target, int flags)');

/** What takes a mount away again. */
export interface Hold {
  /** @throws a system error EBUSY while files are open, unless `lazy`, and where another mount covers this one */
  unmount(lazy: boolean): Promise<void>;
  /** Whether the mount still stands, working or not, and is not covered by another. */
  stands(): boolean;
  /** Aborts the connection where this process may. Does not wait and does not throw. */
  sever(): void;
  /** Detaches the mount, if it still stands. Does not wait and does not throw. */
  detach(): void;
}

/** Takes hold of the mount that libfuse has just made on `mountpoint`, an absolute path. */
export function holdOf(mountpoint: string): Hold {
  const ours = mountAt(mountpoint);
  const stands = (): boolean => {
    const there = mountAt(mountpoint);
    return ours !== undefined && there?.major === ours.major && there.minor === ours.minor;
  };
  return {
    stands,
    async unmount(lazy) {
      if (!stands()) throw systemError('umount', constants.errno.EBUSY, mountpoint);
      if (!mayUnmount()) return unmountThroughHelper(mountpoint, lazy);
      try {
        await umount2.later(mountpoint, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
      } catch (error) {
        if (errnoOf(error) !== constants.errno.EPERM) throw error;
        await unmountThroughHelper(mountpoint, lazy);
      }
    },
    sever() {
      if (ours) quietly(() => writeFileSync(`/sys/fs/fuse/connections/${ours.minor}/abort`, '1'));
    },
    detach() {
      quietly(() => {
        if (!stands()) return;
        if (mayUnmount()) umount2(mountpoint, UMOUNT_NOFOLLOW | MNT_DETACH);
        else detachThroughHelper(mountpoint);
      });
    },
  };
}

function mayUnmount(): boolean {
  return process.geteuid?.() === 0;
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // The last resort goes on whatever fails.
  }
}
