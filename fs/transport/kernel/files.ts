import { constants } from 'node:fs';
import { constants as os } from 'node:os';
import { errnoOf, FsError } from '../../errors.js';
import { type OpenMode, wantsWrite } from '../../node.js';
import { readNode } from '../../stateless.js';
import { putOpen } from './encode.js';
import { type Handler, then } from './operation.js';
import { FOPEN, FSYNC_DATA_ONLY, SIZE } from './protocol.js';
import { readResident, type Resident } from './resident.js';
import { Writer } from './wire.js';

/** Data of up to this many bytes is copied or freshly allocated: it would keep a slab of a megabyte busy. */
const SMALL = 16 << 10;
const { O_TRUNC } = constants;
const SEEK_DATA = 3;
const NOTHING: Resident = { length: 0, whole: false };

/**
 * The FOPEN flags for an open file; `backing` is its backing id or 0. A file that is passed through has no page
 * cache of its own, and the kernel refuses flags that speak of one.
 */
export function openFlags(mode: OpenMode, backing: number): number {
  const flush = mode.noFlush ? FOPEN.NOFLUSH : 0;
  if (backing > 0) return FOPEN.PASSTHROUGH | flush;
  const direct = mode.direct ? FOPEN.DIRECT_IO | FOPEN.PARALLEL_DIRECT_WRITES : 0;
  return direct | (mode.keepCache ? FOPEN.KEEP_CACHE : 0) | flush;
}

export const open: Handler = async ({ filesystem, backings }, request) => {
  const flags = request.body.u32();
  // A file that is lent has one writer: of another, nobody would know.
  const isLent = wantsWrite(flags) && backings.isLent(request.node);
  const opened = await filesystem.open(request.node, isLent ? flags & ~O_TRUNC : flags, request);
  if (isLent) {
    await filesystem.release(opened.handle);
    throw new FsError('EBUSY', 'the kernel has it open without us');
  }
  const backing = backings.opened(request.node, opened);
  const reply = Writer.of(SIZE.OPEN_OUT);
  putOpen(reply, opened.handle, openFlags(opened.mode, backing), backing);
  return reply;
};

export const release: Handler = ({ filesystem, backings }, { body }) => {
  const handle = body.u64();
  backings.released(handle);
  return then(filesystem.release(handle), () => undefined);
};

/** A file with a descriptor below it is read there at once, as far as that needs no waiting. */
export const read: Handler = ({ filesystem, buffers, stateless }, { node, body }) => {
  const handle = body.u64();
  const offset = body.offset();
  const size = body.u32();
  const backing = stateless ? undefined : filesystem.files.get(handle).mode.backing;
  const slab = size > SMALL ? buffers.take() : undefined;
  const give = slab && (() => buffers.give(slab));
  const reply = slab ? new Writer(slab.outbox, give) : Writer.of(size);
  const room = reply.room(size);
  const { length, whole } = backing === undefined ? NOTHING : readResident(backing, room, offset);
  reply.advance(length);
  if (whole) return reply;
  const finish = (count: number): Writer => {
    reply.advance(count);
    return reply;
  };
  try {
    const rest = stateless
      ? readNode(filesystem, node, room, offset)
      : filesystem.read(handle, room.subarray(length), offset + length);
    if (!(rest instanceof Promise)) return finish(rest);
    rest.catch(() => give?.());
    return rest.then(finish);
  } catch (error) {
    give?.();
    throw error;
  }
};

export const write: Handler = ({ filesystem }, request) => {
  const { body } = request;
  const handle = body.u64();
  const offset = body.offset();
  const size = body.u32();
  body.skip(SIZE.WRITE_IN - 20);
  const bytes = body.bytes(size);
  const small = size <= SMALL;
  const written = filesystem.write(handle, small ? Buffer.from(bytes) : bytes, offset);
  if (!small) request.kept = written instanceof Promise ? written.then(({ held }) => held) : written.held;
  return then(written, ({ size }) => {
    const reply = Writer.of(SIZE.WRITE_OUT);
    reply.u32(size);
    reply.u32(0);
    return reply;
  });
};

export const flush: Handler = ({ filesystem }, request) =>
  then(filesystem.flush(request.body.u64(), request), () => undefined);

export const fsync: Handler = ({ filesystem }, { body }) => {
  const handle = body.u64();
  return then(filesystem.fsync(handle, (body.u32() & FSYNC_DATA_ONLY) !== 0), () => undefined);
};

export const fallocate: Handler = ({ filesystem }, { body }) => {
  const handle = body.u64();
  const offset = body.offset();
  const length = body.offset();
  return then(filesystem.allocate(handle, body.u32(), offset, length), () => undefined);
};

/**
 * SEEK_DATA and SEEK_HOLE. For a file that cannot tell, all of it is data: to pass on its ENOSYS would turn the
 * kernel from asking for any file of the mount.
 */
export const lseek: Handler = async ({ filesystem }, { node, body }) => {
  const handle = body.u64();
  const offset = body.u64();
  const whence = body.u32();
  let found: number;
  try {
    found = await filesystem.seek(handle, offset, whence);
  } catch (error) {
    if (errnoOf(error) !== os.errno.ENOSYS) throw error;
    const { size } = await filesystem.getattr(node);
    if (offset >= size) throw new FsError('ENXIO');
    found = whence === SEEK_DATA ? offset : size;
  }
  const reply = Writer.of(SIZE.LSEEK_OUT);
  reply.u64(found);
  return reply;
};
