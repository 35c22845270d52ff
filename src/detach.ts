import { unmountThroughHelper } from '../fs/transport/kernel/fusermount.js';
import { bind } from '../store/libc.js';

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/**
 * Unmounts lazily what is topmost at `path`, a FUSE mount: by umount2(2), or where that is not allowed by fusermount3.
 * @throws what the kernel or fusermount3 say
 */
export async function detach(path: string): Promise<void> {
  const umount2 = bind('int umount2(const char *, int)');
  try {
    umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    await unmountThroughHelper(path, true);
  }
}
