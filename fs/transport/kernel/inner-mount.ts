import { close, constants as files, open, promises } from 'node:fs';
import { constants as os } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { bind } from '../../../store/libc.js';
import type { FileSystem } from '../../filesystem.js';
import { encodeDevice } from '../../attr.js';
import { mountAt } from '../../mounts.js';
import type { InnerMount, Mounted, MountRequest, Observer } from '../transport.js';
import { mountOptions, SUBTYPE, umount2, UMOUNT_NOFOLLOW } from './mount.js';
import { serve } from './session.js';

const mount = bind('int mount(const char *, const char *, const char *, unsigned long, const char *)');
const openTree = bind('int open_tree(int, const char *, unsigned int)');
const moveMount = bind('int move_mount(int, const char *, int, const char *, unsigned int)');
const AT_FDCWD = -100;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MNT_EXPIRE = 4;
const MS_RDONLY = 1;

/** How often, in milliseconds, it is looked whether the mount is used: unused for a whole turn, it is taken away. */
const TURN = 100;

const openFile = promisify(open);
const closeFile = promisify(close);

/**
 * Mounts immutable files on a directory of a mount of this process. All system calls are made on the thread pool: their
 * paths lead into that mount, which the main thread serves.
 *
 * A mount cannot be unmounted while another is on one of its directories, so the inner one is there only while somebody
 * looks at it. What the kernel has cached of it outlives that: a copy of the mount is kept that is on no directory.
 */
export function innerMount(filesystem: FileSystem, request: MountRequest, observer: Observer): InnerMount {
  const { mountpoint } = request;
  const around = mountAt(dirname(mountpoint));
  let session: Mounted | undefined;
  /** The copy that is on no directory. */
  let kept: number | undefined;
  let attached = false;
  let attaching: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  /** Whether the mount around it is at its path: one that was detached serves on, and another may be there. */
  const isInPlace = async (): Promise<boolean> => {
    const there = await promises.lstat(mountpoint).catch(nothing);
    return around !== undefined && there?.dev === encodeDevice(around);
  };

  const attach = async (): Promise<void> => {
    if (!(await isInPlace())) return;
    if (kept === undefined) await begin();
    else {
      await moveMount.later(kept, '', AT_FDCWD, mountpoint, MOVE_MOUNT_F_EMPTY_PATH);
      await closeFile(kept);
    }
    attached = true;
    kept = await openTree.later(AT_FDCWD, mountpoint, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    timer = setTimeout(expire, TURN);
    timer.unref();
  };

  const begin = async (): Promise<void> => {
    const fd = await openFile('/dev/fuse', files.O_RDWR | files.O_NONBLOCK);
    const { flags, data } = mountOptions(request, fd);
    try {
      await mount.later(request.source, mountpoint, `fuse.${SUBTYPE}`, flags | MS_RDONLY, data);
    } catch (error) {
      await closeFile(fd);
      throw error;
    }
    session = await serve(filesystem, { fd, unmount, sever: nothing, detach: nothing }, observer, true);
    void session.ended.catch(nothing).then(forget);
  };

  /** Lets go of the copy. */
  const forget = async (): Promise<void> => {
    const fd = kept;
    [attached, kept] = [false, undefined];
    if (fd !== undefined) await closeFile(fd);
  };

  const unmount = async (): Promise<void> => {
    await umount2.later(mountpoint, UMOUNT_NOFOLLOW);
  };

  /** umount(2), MNT_EXPIRE: EAGAIN marks the mount, and a use of it takes the mark away; EBUSY while it is in use. */
  const expire = (): void => {
    umount2.later(mountpoint, UMOUNT_NOFOLLOW | MNT_EXPIRE).then(
      () => (attached = false),
      (error: unknown) => {
        const { errno } = error as NodeJS.ErrnoException;
        if (errno !== -os.errno.EAGAIN && errno !== -os.errno.EBUSY) attached = false;
        else if (!ended) timer = setTimeout(expire, TURN).unref();
      },
    );
  };

  return {
    attach() {
      if (attached || ended) return undefined;
      attaching ??= attach()
        .catch((error: unknown) => observer.defect('attach', error))
        .finally(() => (attaching = undefined));
      return attaching;
    },
    async detach() {
      await attaching;
      if (attached) await unmount().then(() => (attached = false), nothing);
    },
    async end() {
      ended = true;
      clearTimeout(timer);
      await attaching;
      await forget();
      await session?.ended.catch(nothing);
    },
    abort() {
      ended = true;
      clearTimeout(timer);
      session?.abort();
    },
  };
}

function nothing(): void {
  return undefined;
}
