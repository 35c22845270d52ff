import { createHash } from 'node:crypto';
import { type BigIntStats, constants, fchownSync } from 'node:fs';
import { setTimes } from '../store/times.js';
import type { Attr, AttrChanges, Nanoseconds } from './node.js';

/**
 * The size of reads and writes that tools should use (st_blksize). One FUSE request can carry four times as much,
 * but see {@link PIECE} of the store's files.
 */
const PREFERRED_SIZE = 256 << 10;

/** Inode numbers of what has no file below start here, beyond those of any file system. */
const VIRTUAL_INODES = 2 ** 52;

/** A stable inode number for a path that has no file below: the same at every mount. */
export function virtualInode(path: string): number {
  return VIRTUAL_INODES + createHash('sha256').update(path).digest().readUIntBE(0, 6);
}

/** The attributes of a file below, under the mode and owner that it is shown with. */
export function attrOf(stats: BigIntStats, shown: { mode?: number; uid?: number; gid?: number } = {}): Attr {
  return {
    ino: Number(stats.ino),
    mode: shown.mode ?? Number(stats.mode),
    nlink: Number(stats.nlink),
    uid: shown.uid ?? Number(stats.uid),
    gid: shown.gid ?? Number(stats.gid),
    rdev: 0,
    size: Number(stats.size),
    blksize: PREFERRED_SIZE,
    blocks: Number(stats.blocks),
    atime: stats.atimeNs,
    mtime: stats.mtimeNs,
    ctime: stats.ctimeNs,
  };
}

/** The attributes of a directory that has no file below. */
export function directoryAttr(
  ino: number,
  permissions: number,
  owner: { uid: number; gid: number },
  mtime: Nanoseconds,
): Attr {
  return {
    ino,
    mode: constants.S_IFDIR | permissions,
    nlink: 2,
    uid: owner.uid,
    gid: owner.gid,
    rdev: 0,
    size: 0,
    blksize: 4096,
    blocks: 0,
    atime: mtime,
    mtime,
    ctime: mtime,
  };
}

/** new_encode_dev() of the kernel: 12 bits of major and 20 of minor number, as stat(2) and FUSE have them. */
export function encodeDevice({ major, minor }: { readonly major: number; readonly minor: number }): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Gives an open file of the store the owner and the times that a request wants; see fchown(2) and futimens(2). */
export function setOwnerAndTimes(fd: number, { uid, gid, atime, mtime }: AttrChanges): void {
  if (uid !== undefined || gid !== undefined) fchownSync(fd, uid ?? UNCHANGED, gid ?? UNCHANGED);
  if (atime !== undefined || mtime !== undefined) setTimes(fd, atime, mtime);
}

/** (uid_t) -1 of chown(2). */
const UNCHANGED = 0xffff_ffff;

/** The present time. */
export function nowNs(): Nanoseconds {
  return BigInt(Date.now()) * 1_000_000n;
}
