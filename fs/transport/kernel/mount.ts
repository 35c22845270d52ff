import { closeSync, constants as files, openSync, realpathSync, writeFileSync } from 'node:fs';
import { constants as os } from 'node:os';
import { bind, systemError } from '../../../store/libc.js';
import { mountAt } from '../../mounts.js';
import { permissionChecks } from '../permission-checks.js';
import type { MountRequest } from '../transport.js';
import { detachThroughHelper, mountThroughHelper, unmountThroughHelper } from './fusermount.js';

export const SUBTYPE = 'cas-mount';
/** Flags of mount(2) and what takes them back, by the options that say so. */
const FLAGS: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  ro: [1, 0],
  rw: [0, 1],
  nosuid: [2, 0],
  suid: [0, 2],
  nodev: [4, 0],
  dev: [0, 4],
  noexec: [8, 0],
  exec: [0, 8],
  sync: [16, 0],
  async: [0, 16],
  dirsync: [128, 0],
  nosymfollow: [256, 0],
  noatime: [1024, 0],
  atime: [0, 1024],
  nodiratime: [2048, 0],
  relatime: [1 << 21, 0],
  strictatime: [1 << 24, 0],
  lazytime: [1 << 25, 0],
};
const NOSUID_NODEV = 2 | 4;
const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;
const F_SETFL = 4;

const mount = bind(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
export const umount2 = bind('int umount2(const char *target, int flags)');
const fcntl = bind('int fcntl(int fd, int command, int argument)');

/** A mount whose requests come to `fd`. */
export interface Attachment {
  /** /dev/fuse, non-blocking and closed on exec. */
  readonly fd: number;
  /** @throws a system error EBUSY while files are open, unless `lazy`, and where another mount covers this one */
  unmount(lazy: boolean): Promise<void>;
  /** Aborts the connection where this process may. Does not wait and does not throw. */
  sever(): void;
  /** Detaches the mount, if it is still ours. Does not wait and does not throw. */
  detach(): void;
}

/**
 * Mounts: root by mount(2), others through fusermount3, which also helps root without CAP_SYS_ADMIN.
 * @throws the system's error, or Error with what fusermount3 said
 */
export async function attach(request: MountRequest): Promise<Attachment> {
  const mountpoint = realpathSync(request.mountpoint);
  const direct = process.geteuid?.() === 0 ? mountDirectly({ ...request, mountpoint }) : undefined;
  const fd = direct ?? (await mountByHelper({ ...request, mountpoint }));
  const ours = mountAt(mountpoint);
  const onTop = (): boolean => {
    const there = mountAt(mountpoint);
    return ours !== undefined && there?.major === ours.major && there.minor === ours.minor;
  };
  return {
    fd,
    async unmount(lazy) {
      if (!onTop()) throw systemError('umount', os.errno.EBUSY, mountpoint);
      if (direct === undefined) await unmountThroughHelper(mountpoint, lazy);
      else await umount2.later(mountpoint, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
    },
    sever() {
      if (ours) quietly(() => writeFileSync(`/sys/fs/fuse/connections/${ours.minor}/abort`, '1'));
    },
    detach() {
      quietly(() => {
        if (!onTop()) return;
        if (direct === undefined) detachThroughHelper(mountpoint);
        else umount2(mountpoint, UMOUNT_NOFOLLOW | MNT_DETACH);
      });
    },
  };
}

/**
 * Undefined where this root may not mount.
 * Without allow_other only root reaches the mount, whom no permission stops; to have the kernel check all the same
 * costs it four GETATTR for each commit, since every change of a directory makes it ask for the mode again.
 */
function mountDirectly(request: MountRequest): number | undefined {
  const { mountpoint, source } = request;
  const fd = openSync('/dev/fuse', files.O_RDWR | files.O_NONBLOCK);
  const { flags, data } = mountOptions(request, fd);
  try {
    mount(source, mountpoint, `fuse.${SUBTYPE}`, flags, data);
    return fd;
  } catch (error) {
    closeSync(fd);
    const errno = -((error as NodeJS.ErrnoException).errno ?? -os.errno.EIO);
    if (errno === os.errno.EPERM) return undefined;
    throw systemError('mount', errno, mountpoint);
  }
}

/** The flags and the data of mount(2) for a mount whose requests come to `fd`. */
export function mountOptions({ options }: MountRequest, fd: number): { flags: number; data: string } {
  let flags = NOSUID_NODEV;
  const data = [`fd=${fd}`, 'rootmode=40000', 'user_id=0', `group_id=${process.getgid?.() ?? 0}`];
  data.push(...permissionChecks(options));
  for (const option of options) {
    const flag = FLAGS[option];
    if (flag) flags = (flags | flag[0]) & ~flag[1];
    else data.push(option);
  }
  return { flags, data: data.join(',') };
}

async function mountByHelper({ mountpoint, source, options }: MountRequest): Promise<number> {
  const name = source.replace(/[\\,]/g, '\\$&');
  const fd = await mountThroughHelper(mountpoint, [
    `fsname=${name}`,
    `subtype=${SUBTYPE}`,
    ...permissionChecks(options),
    ...options,
  ]);
  fcntl(fd, F_SETFL, files.O_RDWR | files.O_NONBLOCK);
  return fd;
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // The last resort goes on whatever fails.
  }
}
