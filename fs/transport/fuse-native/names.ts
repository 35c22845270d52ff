import { constants as files } from 'node:fs';
import { constants as os } from 'node:os';
import koffi from 'koffi';
import { errnoOf } from '../../errors.js';
import type { Entry, Opened } from '../../answers.js';
import type { NodeId } from '../../inodes.js';
import { type Context, done, type Handler, type Reply, then } from './operation.js';
import { absenceOf, entryOf, flagsOf, openedFile, type Pointer } from './structures.js';

const PERMISSIONS = 0o7777;
/** The size of struct fuse_forget_data: a node and how many lookups to take back. */
const FORGET_DATA = 16;

export const lookup: Handler<[parent: NodeId, name: Pointer]> = (context, call, parent, name) => {
  const { filesystem, fuse } = context;
  return filesystem.lookup(parent, call.name(name), call).then(
    (entry) => entered(context, entry),
    (error: unknown) => {
      const seconds = errnoOf(error) === os.errno.ENOENT ? filesystem.absence(parent) : 0;
      if (seconds <= 0) throw error;
      return { send: (request) => fuse.replyEntry(request, absenceOf(seconds)) };
    },
  );
};

export const forget: Handler<[node: NodeId, count: number]> = ({ filesystem, fuse }, _, node, count) => {
  filesystem.forget(node, count);
  return { send: (request) => fuse.replyNone(request) };
};

export const forgetMany: Handler<[count: number, list: Pointer]> = ({ filesystem, fuse }, _, count, list) => {
  for (let index = 0; index < count; index++) {
    const at = list + BigInt(index * FORGET_DATA);
    filesystem.forget(Number(koffi.decode.uint64(at)), Number(koffi.decode.uint64(at + 8n)));
  }
  return { send: (request) => fuse.replyNone(request) };
};

/** Regular files only: device nodes and pipes are no content. */
export const mknod: Handler<[parent: NodeId, name: Pointer, mode: number, rdev: number]> = async (
  context,
  call,
  parent,
  name,
  mode,
) => {
  const { filesystem } = context;
  if ((mode & files.S_IFMT) !== files.S_IFREG) filesystem.refuseNode(parent, call.name(name));
  const flags = files.O_CREAT | files.O_EXCL | files.O_WRONLY;
  const { entry, opened } = await filesystem.create(parent, call.name(name), flags, mode & PERMISSIONS, call);
  try {
    await filesystem.release(opened.handle);
  } catch (error) {
    filesystem.forget(entry.id, 1);
    throw error;
  }
  return entered(context, entry);
};

export const create: Handler<[parent: NodeId, name: Pointer, mode: number, file: Pointer]> = async (
  context,
  call,
  parent,
  name,
  mode,
  file,
) => {
  const { filesystem, fuse } = context;
  const made = await filesystem.create(parent, call.name(name), flagsOf(file), mode & PERMISSIONS, call);
  const { entry, opened } = made;
  return {
    send: (request) => fuse.replyCreate(request, entryOf(entry), openedFile(opened.handle, opened.mode)),
    sent: (taken) => {
      if (taken) return;
      filesystem.forget(entry.id, 1);
      abandon(context, opened);
    },
  };
};

export const mkdir: Handler<[parent: NodeId, name: Pointer, mode: number]> = (
  context,
  call,
  parent,
  name,
  mode,
) =>
  context.filesystem
    .mkdir(parent, call.name(name), mode & PERMISSIONS, call)
    .then((entry) => entered(context, entry));

export const symlink: Handler<[target: Pointer, parent: NodeId, name: Pointer]> = (
  context,
  call,
  target,
  parent,
  name,
) =>
  context.filesystem
    .symlink(parent, call.name(name), call.name(target), call)
    .then((entry) => entered(context, entry));

export const link: Handler<[node: NodeId, parent: NodeId, name: Pointer]> = (
  context,
  call,
  node,
  parent,
  name,
) => context.filesystem.link(node, parent, call.name(name), call).then((entry) => entered(context, entry));

export const unlink: Handler<[parent: NodeId, name: Pointer]> = (context, call, parent, name) =>
  then(context.filesystem.unlink(parent, call.name(name), call), () => done(context));

export const rmdir: Handler<[parent: NodeId, name: Pointer]> = (context, call, parent, name) =>
  then(context.filesystem.rmdir(parent, call.name(name), call), () => done(context));

export const rename: Handler<[parent: NodeId, name: Pointer, toParent: NodeId, toName: Pointer]> = (
  context,
  call,
  parent,
  name,
  toParent,
  toName,
) => {
  const renamed = context.filesystem.rename(parent, call.name(name), toParent, call.name(toName), 0, call);
  return then(renamed, () => done(context));
};

/** Lets go of an open file that nobody is going to use. */
export function abandon({ filesystem }: Context, opened: Opened): void {
  void Promise.resolve(filesystem.release(opened.handle)).catch(() => undefined);
}

function entered({ fuse, filesystem }: Context, entry: Entry): Reply {
  return {
    send: (request) => fuse.replyEntry(request, entryOf(entry)),
    sent: (taken) => {
      if (!taken) filesystem.forget(entry.id, 1);
    },
  };
}
