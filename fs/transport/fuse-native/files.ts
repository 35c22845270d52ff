import type { HandleId } from '../../handles.js';
import type { NodeId } from '../../inodes.js';
import type { Awaitable } from '../../node.js';
import { readResident } from '../kernel/resident.js';
import { abandon } from './names.js';
import { type Context, done, type Handler, then } from './operation.js';
import { flagsOf, handleOf, type Integer, offsetOf, openedFile, type Pointer } from './structures.js';

const NOTHING = { length: 0, whole: false };
/** Data of up to this many bytes is copied: it would keep 128 KiB busy. */
const SMALL = 4 << 10;

export const open: Handler<[node: NodeId, file: Pointer]> = async (context, call, node, file) => {
  const { filesystem, fuse } = context;
  const opened = await filesystem.open(node, flagsOf(file), call);
  return {
    send: (request) => fuse.replyOpen(request, openedFile(opened.handle, opened.mode)),
    sent: (taken) => {
      if (!taken) abandon(context, opened);
    },
  };
};

export const release: Handler<[node: NodeId, file: Pointer]> = (context, _call, _node, file) =>
  then(context.filesystem.release(handleOf(file)), () => done(context));

export const flush: Handler<[node: NodeId, file: Pointer]> = (context, call, _node, file) =>
  then(context.filesystem.flush(handleOf(file), call), () => done(context));

export const fsync: Handler<[node: NodeId, dataOnly: number, file: Pointer]> = (
  context,
  _call,
  _node,
  dataOnly,
  file,
) => then(context.filesystem.fsync(handleOf(file), dataOnly !== 0), () => done(context));

export const fallocate: Handler<
  [node: NodeId, mode: number, offset: Integer, length: Integer, file: Pointer]
> = (context, _call, _node, mode, offset, length, file) => {
  const allocated = context.filesystem.allocate(handleOf(file), mode, offsetOf(offset), offsetOf(length));
  return then(allocated, () => done(context));
};

export const read: Handler<[node: NodeId, size: number, offset: Integer, file: Pointer]> = (
  context,
  _call,
  _node,
  size,
  offset,
  file,
) => {
  const { fuse, buffers } = context;
  const slab = buffers.take();
  const into = slab.data.subarray(0, size);
  return then(fill(context, handleOf(file), into, offsetOf(offset)), (count) => {
    if (count > size) throw new RangeError(`a read of ${size} bytes gave ${count}`);
    return { send: (request) => fuse.replyBytes(request, into, count), sent: () => buffers.give(slab) };
  });
};

/** A file with a descriptor below it is read there at once, as far as that needs no waiting. */
function fill({ filesystem }: Context, handle: HandleId, into: Buffer, offset: number): Awaitable<number> {
  const { backing } = filesystem.files.get(handle).mode;
  const { length, whole } = backing === undefined ? NOTHING : readResident(backing, into, offset);
  if (whole) return length;
  const rest = filesystem.read(handle, into.subarray(length), offset + length);
  return then(rest, (count) => length + count);
}

export const write: Handler<[node: NodeId, data: Pointer, size: number, offset: Integer, file: Pointer]> = (
  context,
  call,
  _node,
  data,
  size,
  offset,
  file,
) => {
  const { filesystem, fuse } = context;
  const bytes = call.bytes(data, size);
  const small = size <= SMALL;
  const written = filesystem.write(handleOf(file), small ? Buffer.from(bytes) : bytes, offsetOf(offset));
  if (!small) call.keep(written instanceof Promise ? written.then(({ held }) => held) : written.held);
  return then(written, ({ size: count }) => ({ send: (request) => fuse.replyWrite(request, count) }));
};
