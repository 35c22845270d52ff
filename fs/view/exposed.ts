import type { Inode } from '../../store/tree/inode.js';

/**
 * Whether an inode is shown. A character device 0:0 is not: overlayfs takes it for a whiteout where it lies in a lower
 * directory (Documentation/filesystems/overlayfs.rst), so a layer could remove files of layers that it is not on top of.
 */
export function isExposed(inode: Inode): boolean {
  return inode.type !== 'character' || inode.major !== 0 || inode.minor !== 0;
}
