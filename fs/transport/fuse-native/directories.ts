import type { NodeId } from '../../inodes.js';
import { direntSize, putDirent } from '../kernel/encode.js';
import { SIZE } from '../kernel/protocol.js';
import { Writer } from '../kernel/wire.js';
import { done, type Handler, then } from './operation.js';
import { handleOf, type Integer, offsetOf, openedFile, type Pointer } from './structures.js';

export const opendir: Handler<[node: NodeId, file: Pointer]> = ({ filesystem, fuse }, _call, node) => {
  const handle = filesystem.opendir(node);
  return {
    send: (request) => fuse.replyOpen(request, openedFile(handle)),
    sent: (taken) => {
      if (!taken) void filesystem.releasedir(handle).catch(() => undefined);
    },
  };
};

export const releasedir: Handler<[node: NodeId, file: Pointer]> = (context, _call, _node, file) =>
  context.filesystem.releasedir(handleOf(file)).then(() => done(context));

export const fsyncdir: Handler<[node: NodeId, dataOnly: number, file: Pointer]> = (
  context,
  _call,
  _node,
  _dataOnly,
  file,
) => then(context.filesystem.fsyncdir(handleOf(file)), () => done(context));

export const readdir: Handler<[node: NodeId, size: number, offset: Integer, file: Pointer]> = async (
  { filesystem, fuse },
  _call,
  _node,
  size,
  offset,
  file,
) => {
  const listed = Writer.of(size);
  await filesystem.readdir(handleOf(file), offsetOf(offset), (entry, next) => {
    if (listed.length + direntSize(entry) > size) return false;
    putDirent(listed, entry, next);
    return true;
  });
  const bytes = listed.finish(0).subarray(SIZE.OUT_HEADER);
  return { send: (request) => fuse.replyBytes(request, bytes, bytes.length) };
};
