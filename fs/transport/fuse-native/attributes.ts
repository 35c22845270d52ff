import { FsError } from '../../errors.js';
import type { NodeId } from '../../inodes.js';
import type { Attr, AttrChanges } from '../../node.js';
import { type Context, done, type Handler, type Reply, then } from './operation.js';
import { changedStat, handleOf, type Pointer, statOf, statvfsOf } from './structures.js';

const PERMISSIONS = 0o7777;
/** What setattr wants changed: FUSE_SET_ATTR_* of fuse_lowlevel.h. */
const SET = { MODE: 1, UID: 2, GID: 4, SIZE: 8, ATIME: 16, MTIME: 32, ATIME_NOW: 128, MTIME_NOW: 256 };

export const getattr: Handler<[node: NodeId, file: Pointer | null]> = (context, _call, node) =>
  then(context.filesystem.getattr(node), (attr) => attributes(context, node, attr));

export const setattr: Handler<[node: NodeId, stat: Pointer, set: number, file: Pointer | null]> = (
  context,
  call,
  node,
  stat,
  set,
  file,
) => {
  const { mode, uid, gid, size, atime, mtime } = changedStat(stat);
  const changes: AttrChanges = {
    ...(set & SET.MODE && { mode: mode & PERMISSIONS }),
    ...(set & SET.UID && { uid }),
    ...(set & SET.GID && { gid }),
    ...(set & SET.SIZE && { size }),
    ...(set & SET.ATIME && { atime: set & SET.ATIME_NOW ? 'now' : atime }),
    ...(set & SET.MTIME && { mtime: set & SET.MTIME_NOW ? 'now' : mtime }),
  };
  const handle = file === null ? undefined : handleOf(file);
  return context.filesystem
    .setattr(node, changes, call, handle)
    .then((attr) => attributes(context, node, attr));
};

export const readlink: Handler<[node: NodeId]> = ({ filesystem, fuse }, _call, node) =>
  then(filesystem.readlink(node), (target) => {
    const bytes = Buffer.from(`${target}\0`, 'latin1');
    return { send: (request) => fuse.replyReadlink(request, bytes) };
  });

export const statfs: Handler<[node: NodeId]> = ({ filesystem, fuse }) =>
  then(filesystem.statfs(), (disk) => ({
    send: (request) => fuse.replyStatfs(request, statvfsOf(disk)),
  }));

export const setxattr: Handler<[node: NodeId, name: Pointer, value: Pointer, size: number, flags: number]> = (
  context,
  call,
  node,
  name,
  value,
  size,
  flags,
) => {
  const copy = Buffer.from(call.bytes(value, size));
  return then(context.filesystem.setxattr(node, call.text(name), copy, flags), () => done(context));
};

export const getxattr: Handler<[node: NodeId, name: Pointer, limit: number]> = (
  context,
  call,
  node,
  name,
  limit,
) => context.filesystem.getxattr(node, call.text(name)).then((value) => limited(context, value, limit));

export const listxattr: Handler<[node: NodeId, limit: number]> = (context, _call, node, limit) =>
  then(context.filesystem.listxattr(node), (names) =>
    limited(context, Buffer.from(names.map((name) => `${name}\0`).join('')), limit),
  );

export const removexattr: Handler<[node: NodeId, name: Pointer]> = (context, call, node, name) =>
  then(context.filesystem.removexattr(node, call.text(name)), () => done(context));

function attributes({ filesystem, fuse }: Context, node: NodeId, attr: Attr): Reply {
  const { validity } = filesystem.node(node);
  return { send: (request) => fuse.replyAttr(request, statOf(attr), validity.attr) };
}

/** A limit of 0 asks for the size alone. */
function limited({ fuse }: Context, value: Uint8Array, limit: number): Reply {
  if (limit === 0) return { send: (request) => fuse.replyXattrSize(request, value.length) };
  if (value.length > limit) throw new FsError('ERANGE');
  return { send: (request) => fuse.replyBytes(request, value, value.length) };
}
