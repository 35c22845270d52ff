import { FsError } from '../../errors.js';
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
import { fsyncdir, opendir, readdir, releasedir } from './directories.js';
import { fallocate, flush, fsync, open, read, release, write } from './files.js';
import * as names from './names.js';
import { type Operation, operation } from './operation.js';

const NODE = 'unsigned long';
const COUNT = 'unsigned long';
const MODE = 'unsigned int';
const OFFSET = 'int64_t';
const ADDRESS = 'void *';

/** The members of struct fuse_lowlevel_ops of libfuse 2.9, in their order. */
export const MEMBERS: readonly string[] = (
  'init destroy lookup forget getattr setattr readlink mknod mkdir unlink rmdir symlink rename link open read ' +
  'write flush release fsync opendir readdir releasedir fsyncdir statfs setxattr getxattr listxattr removexattr ' +
  'access create getlk setlk bmap ioctl poll write_buf retrieve_reply forget_multi flock fallocate'
).split(' ');

/**
 * What is done with each kind of request, by the member of struct fuse_lowlevel_ops. For what is missing libfuse
 * answers ENOSYS: the kernel then never asks again and helps itself, keeping locks among its own processes.
 */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  lookup: operation('LOOKUP', [NODE, ADDRESS], names.lookup),
  forget: operation('FORGET', [NODE, COUNT], names.forget, { silent: true }),
  forget_multi: operation('BATCH_FORGET', ['size_t', ADDRESS], names.forgetMany, { nodes: [], silent: true }),
  getattr: operation('GETATTR', [NODE, ADDRESS], getattr),
  setattr: operation('SETATTR', [NODE, ADDRESS, 'int', ADDRESS], setattr),
  readlink: operation('READLINK', [NODE], readlink),
  mknod: operation('MKNOD', [NODE, ADDRESS, MODE, 'uint64_t'], names.mknod),
  mkdir: operation('MKDIR', [NODE, ADDRESS, MODE], names.mkdir),
  unlink: operation('UNLINK', [NODE, ADDRESS], names.unlink),
  rmdir: operation('RMDIR', [NODE, ADDRESS], names.rmdir),
  symlink: operation('SYMLINK', [ADDRESS, NODE, ADDRESS], names.symlink, { nodes: [1] }),
  rename: operation('RENAME', [NODE, ADDRESS, NODE, ADDRESS], names.rename, { nodes: [0, 2] }),
  link: operation('LINK', [NODE, NODE, ADDRESS], names.link, { nodes: [0, 1] }),
  create: operation('CREATE', [NODE, ADDRESS, MODE, ADDRESS], names.create),
  open: operation('OPEN', [NODE, ADDRESS], open),
  read: operation('READ', [NODE, 'size_t', OFFSET, ADDRESS], read),
  write: operation('WRITE', [NODE, ADDRESS, 'size_t', OFFSET, ADDRESS], write),
  flush: operation('FLUSH', [NODE, ADDRESS], flush),
  release: operation('RELEASE', [NODE, ADDRESS], release),
  fsync: operation('FSYNC', [NODE, 'int', ADDRESS], fsync),
  fallocate: operation('FALLOCATE', [NODE, 'int', OFFSET, OFFSET, ADDRESS], fallocate),
  opendir: operation('OPENDIR', [NODE, ADDRESS], opendir),
  readdir: operation('READDIR', [NODE, 'size_t', OFFSET, ADDRESS], readdir),
  releasedir: operation('RELEASEDIR', [NODE, ADDRESS], releasedir),
  fsyncdir: operation('FSYNCDIR', [NODE, 'int', ADDRESS], fsyncdir),
  statfs: operation('STATFS', [NODE], statfs),
  setxattr: operation('SETXATTR', [NODE, ADDRESS, ADDRESS, 'size_t', 'int'], setxattr),
  getxattr: operation('GETXATTR', [NODE, ADDRESS, 'size_t'], getxattr),
  listxattr: operation('LISTXATTR', [NODE, 'size_t'], listxattr),
  removexattr: operation('REMOVEXATTR', [NODE, ADDRESS], removexattr),
  ioctl: operation('IOCTL', [NODE, 'int'], () => {
    throw new FsError('ENOTTY');
  }),
};
