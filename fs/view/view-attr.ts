import { constants } from 'node:fs';
import type { Inode } from '../../store/tree/inode.js';
import type { Found } from '../../store/tree/reader.js';
import { encodeDevice } from '../attr.js';
import type { Attr } from '../node.js';

const TYPES: Readonly<Record<Inode['type'], number>> = {
  file: constants.S_IFREG,
  symlink: constants.S_IFLNK,
  character: constants.S_IFCHR,
  block: constants.S_IFBLK,
  fifo: constants.S_IFIFO,
  directory: constants.S_IFDIR,
};

const SECOND = 1_000_000_000n;
const BLOCK = 512;
/** The permissions of every symlink on Linux, whatever those in a tar are; see symlink(7). */
const ANYONE = 0o777;

/** The S_IFMT part of the mode. */
export function viewType({ type }: Inode): number {
  return TYPES[type];
}

/** What stat(2) shows of an inode of a view. A tar has one time, which stands for all three. */
export function viewAttr({ inode, nlink }: Found, number: number): Attr {
  const time = BigInt(inode.mtime.seconds) * SECOND + BigInt(inode.mtime.nanoseconds);
  const size = sizeOf(inode);
  return {
    ino: number,
    mode: TYPES[inode.type] | (inode.type === 'symlink' ? ANYONE : inode.mode),
    nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.type === 'character' || inode.type === 'block' ? encodeDevice(inode) : 0,
    size,
    blksize: 4096,
    blocks: blocksOf(inode),
    atime: time,
    mtime: time,
    ctime: time,
  };
}

function sizeOf(inode: Inode): number {
  if (inode.type === 'file') return inode.size;
  if (inode.type === 'symlink') return inode.target.length;
  return inode.type === 'directory' ? 4096 : 0;
}

function blocksOf(inode: Inode): number {
  if (inode.type === 'directory') return 8;
  return inode.type === 'file' ? Math.ceil((inode.payload?.size ?? 0) / BLOCK) : 0;
}
