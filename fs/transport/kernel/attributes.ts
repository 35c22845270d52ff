import { FsError } from '../../errors.js';
import type { Attr, AttrChanges } from '../../node.js';
import { putAttrOut } from './encode.js';
import { type Context, type Handler, then } from './operation.js';
import { FATTR, SIZE } from './protocol.js';
import type { Request } from './request.js';
import { Writer } from './wire.js';

const NAME_MAX = 255;
const PERMISSIONS = 0o7777;

export const getattr: Handler = (context, request) =>
  then(context.filesystem.getattr(request.node), (attr) => attrReply(context, request, attr));

export const setattr: Handler = (context, request) => {
  const { body } = request;
  const valid = body.u32();
  body.skip(4);
  const handle = body.u64();
  const size = body.offset();
  body.skip(8);
  const [atime, mtime] = [body.i64(), body.i64()];
  body.skip(8);
  const [atimeNs, mtimeNs] = [body.u32(), body.u32()];
  body.skip(4);
  const mode = body.u32() & PERMISSIONS;
  body.skip(4);
  const [uid, gid] = [body.u32(), body.u32()];
  const changes: AttrChanges = {
    ...(valid & FATTR.MODE && { mode }),
    ...(valid & FATTR.UID && { uid }),
    ...(valid & FATTR.GID && { gid }),
    ...(valid & FATTR.SIZE && { size }),
    ...(valid & FATTR.ATIME && { atime: valid & FATTR.ATIME_NOW ? 'now' : nanoseconds(atime, atimeNs) }),
    ...(valid & FATTR.MTIME && { mtime: valid & FATTR.MTIME_NOW ? 'now' : nanoseconds(mtime, mtimeNs) }),
  };
  const changed = context.filesystem.setattr(
    request.node,
    changes,
    request,
    valid & FATTR.FH ? handle : undefined,
  );
  return changed.then((attr) => attrReply(context, request, attr));
};

export const readlink: Handler = ({ filesystem }, { node }) =>
  then(filesystem.readlink(node), (target) => {
    const reply = Writer.of(target.length);
    reply.name(target);
    return reply;
  });

export const statfs: Handler = ({ filesystem }) =>
  then(filesystem.statfs(), (disk) => {
    const reply = Writer.of(SIZE.STATFS_OUT);
    reply.u64(disk.blocks);
    reply.u64(disk.bfree);
    reply.u64(disk.bavail);
    reply.u64(disk.files);
    reply.u64(disk.ffree);
    reply.u32(disk.bsize);
    reply.u32(NAME_MAX);
    reply.u32(disk.bsize);
    reply.zeros(SIZE.STATFS_OUT - reply.length);
    return reply;
  });

export const setxattr: Handler = ({ filesystem }, { node, body }) => {
  const size = body.u32();
  const flags = body.u32();
  const name = body.text();
  return then(filesystem.setxattr(node, name, Buffer.from(body.bytes(size)), flags), () => undefined);
};

export const getxattr: Handler = ({ filesystem }, { node, body }) => {
  const limit = body.u32();
  body.skip(4);
  return filesystem.getxattr(node, body.text()).then((value) => xattrReply(value, limit));
};

export const listxattr: Handler = ({ filesystem }, { node, body }) => {
  const limit = body.u32();
  return then(filesystem.listxattr(node), (names) =>
    xattrReply(Buffer.from(names.map((name) => `${name}\0`).join('')), limit),
  );
};

export const removexattr: Handler = ({ filesystem }, { node, body }) =>
  then(filesystem.removexattr(node, body.text()), () => undefined);

function attrReply({ filesystem }: Context, { node }: Request, attr: Attr): Writer {
  const reply = Writer.of(SIZE.ATTR_OUT);
  putAttrOut(reply, attr, filesystem.node(node).validity.attr);
  return reply;
}

/** A limit of 0 asks for the size alone. */
function xattrReply(value: Uint8Array, limit: number): Writer {
  if (limit > 0 && value.length > limit) throw new FsError('ERANGE');
  const reply = Writer.of(limit === 0 ? SIZE.XATTR_OUT : value.length);
  if (limit > 0) reply.bytes(value);
  else reply.u64(value.length);
  return reply;
}

function nanoseconds(seconds: bigint, fraction: number): bigint {
  return seconds * 1_000_000_000n + BigInt(fraction);
}
