import { constants } from 'node:os';
import {
  getattr,
  getxattr,
  listxattr,
  readlink,
  removexattr,
  setattr,
  setxattr,
  statfs,
} from './attributes.js';
import { fsyncdir, opendir, readdir, readdirplus, releasedir } from './directories.js';
import { fallocate, flush, fsync, lseek, open, read, release, write } from './files.js';
import { init, interrupt } from './connection.js';
import {
  batchForget,
  create,
  forget,
  link,
  lookup,
  mkdir,
  mknod,
  rename,
  rename2,
  rmdir,
  symlink,
  unlink,
} from './names.js';
import type { Operation } from './operation.js';
import { OPCODE } from './protocol.js';

const { ENOSYS, ENOTTY } = constants.errno;

/**
 * What is done with each kind of request. After ENOSYS the kernel never asks again and helps itself: it copies
 * ranges by reading and writing, and keeps locks among its own processes.
 */
export const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [OPCODE.LOOKUP, { name: 'LOOKUP', handle: lookup }],
  [OPCODE.FORGET, { name: 'FORGET', handle: forget, silent: true }],
  [OPCODE.GETATTR, { name: 'GETATTR', handle: getattr }],
  [OPCODE.SETATTR, { name: 'SETATTR', handle: setattr }],
  [OPCODE.READLINK, { name: 'READLINK', handle: readlink }],
  [OPCODE.SYMLINK, { name: 'SYMLINK', handle: symlink }],
  [OPCODE.MKNOD, { name: 'MKNOD', handle: mknod }],
  [OPCODE.MKDIR, { name: 'MKDIR', handle: mkdir }],
  [OPCODE.UNLINK, { name: 'UNLINK', handle: unlink }],
  [OPCODE.RMDIR, { name: 'RMDIR', handle: rmdir }],
  [OPCODE.RENAME, { name: 'RENAME', handle: rename }],
  [OPCODE.LINK, { name: 'LINK', handle: link }],
  [OPCODE.OPEN, { name: 'OPEN', handle: open }],
  [OPCODE.READ, { name: 'READ', handle: read }],
  [OPCODE.WRITE, { name: 'WRITE', handle: write }],
  [OPCODE.STATFS, { name: 'STATFS', handle: statfs }],
  [OPCODE.RELEASE, { name: 'RELEASE', handle: release }],
  [OPCODE.FSYNC, { name: 'FSYNC', handle: fsync }],
  [OPCODE.SETXATTR, { name: 'SETXATTR', handle: setxattr }],
  [OPCODE.GETXATTR, { name: 'GETXATTR', handle: getxattr }],
  [OPCODE.LISTXATTR, { name: 'LISTXATTR', handle: listxattr }],
  [OPCODE.REMOVEXATTR, { name: 'REMOVEXATTR', handle: removexattr }],
  [OPCODE.FLUSH, { name: 'FLUSH', handle: flush }],
  [OPCODE.INIT, { name: 'INIT', handle: init }],
  [OPCODE.OPENDIR, { name: 'OPENDIR', handle: opendir }],
  [OPCODE.READDIR, { name: 'READDIR', handle: readdir }],
  [OPCODE.RELEASEDIR, { name: 'RELEASEDIR', handle: releasedir }],
  [OPCODE.FSYNCDIR, { name: 'FSYNCDIR', handle: fsyncdir }],
  [OPCODE.GETLK, { name: 'GETLK', handle: ENOSYS }],
  [OPCODE.SETLK, { name: 'SETLK', handle: ENOSYS }],
  [OPCODE.SETLKW, { name: 'SETLKW', handle: ENOSYS }],
  [OPCODE.ACCESS, { name: 'ACCESS', handle: ENOSYS }],
  [OPCODE.CREATE, { name: 'CREATE', handle: create }],
  [OPCODE.INTERRUPT, { name: 'INTERRUPT', handle: interrupt, silent: true }],
  [OPCODE.BMAP, { name: 'BMAP', handle: ENOSYS }],
  [OPCODE.DESTROY, { name: 'DESTROY', handle: 0 }],
  [OPCODE.IOCTL, { name: 'IOCTL', handle: ENOTTY }],
  [OPCODE.POLL, { name: 'POLL', handle: ENOSYS }],
  [OPCODE.BATCH_FORGET, { name: 'BATCH_FORGET', handle: batchForget, silent: true }],
  [OPCODE.FALLOCATE, { name: 'FALLOCATE', handle: fallocate }],
  [OPCODE.READDIRPLUS, { name: 'READDIRPLUS', handle: readdirplus }],
  [OPCODE.RENAME2, { name: 'RENAME2', handle: rename2 }],
  [OPCODE.LSEEK, { name: 'LSEEK', handle: lseek }],
  [OPCODE.COPY_FILE_RANGE, { name: 'COPY_FILE_RANGE', handle: ENOSYS }],
  [OPCODE.SYNCFS, { name: 'SYNCFS', handle: ENOSYS }],
  [OPCODE.TMPFILE, { name: 'TMPFILE', handle: ENOSYS }],
  [OPCODE.STATX, { name: 'STATX', handle: ENOSYS }],
  [OPCODE.COPY_FILE_RANGE_64, { name: 'COPY_FILE_RANGE_64', handle: ENOSYS }],
]);

/**
 * The same for a mount of immutable files. After ENOSYS the kernel opens files and directories itself
 * (FUSE_NO_OPEN_SUPPORT, FUSE_NO_OPENDIR_SUPPORT), keeps what it has cached of them, and tells of no close.
 */
export const STATELESS_OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  ...OPERATIONS,
  [OPCODE.OPEN, { name: 'OPEN', handle: ENOSYS }],
  [OPCODE.OPENDIR, { name: 'OPENDIR', handle: ENOSYS }],
  [OPCODE.FLUSH, { name: 'FLUSH', handle: ENOSYS }],
  [OPCODE.FSYNC, { name: 'FSYNC', handle: ENOSYS }],
  [OPCODE.FSYNCDIR, { name: 'FSYNCDIR', handle: ENOSYS }],
  [OPCODE.LSEEK, { name: 'LSEEK', handle: ENOSYS }],
]);
