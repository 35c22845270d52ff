import type { Inode } from '../../store/tree/inode.js';
import type { View } from './view.js';

/**
 * Whether an inode is shown. A character device 0:0 is not: overlayfs takes it for a whiteout where it lies in a lower
 * directory (Documentation/filesystems/overlayfs.rst), so a layer could remove files of layers that it is not on top of. In the tree of
 * what a layer itself has it is meant to be one.
 */
export function isExposed({ own }: Pick<View, 'own'>, inode: Inode): boolean {
  return own || inode.type !== 'character' || inode.major !== 0 || inode.minor !== 0;
}
