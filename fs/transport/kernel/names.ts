import { constants as files } from 'node:fs';
import { constants as os } from 'node:os';
import { errnoOf } from '../../errors.js';
import type { Entry } from '../../answers.js';
import { putAbsence, putEntry, putOpen } from './encode.js';
import { openFlags } from './files.js';
import { type Handler, then } from './operation.js';
import { SIZE } from './protocol.js';
import { Writer } from './wire.js';

const PERMISSIONS = 0o7777;

export const lookup: Handler = ({ filesystem }, request) =>
  filesystem.lookup(request.node, request.body.name(), request).then(entryReply, (error: unknown) => {
    const seconds = errnoOf(error) === os.errno.ENOENT ? filesystem.absence(request.node) : 0;
    if (seconds <= 0) throw error;
    const reply = Writer.of(SIZE.ENTRY_OUT);
    putAbsence(reply, seconds);
    return reply;
  });

export const forget: Handler = ({ filesystem }, { node, body }) => {
  filesystem.forget(node, body.u64());
  return undefined;
};

export const batchForget: Handler = ({ filesystem }, { body }) => {
  const failures: unknown[] = [];
  const count = body.u32();
  body.skip(4);
  for (let taken = 0; taken < count; taken++) {
    const node = body.u64();
    try {
      filesystem.forget(node, body.u64());
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return undefined;
};

export const mkdir: Handler = ({ filesystem }, request) => {
  const mode = request.body.u32() & PERMISSIONS;
  request.umask = request.body.u32();
  return filesystem.mkdir(request.node, request.body.name(), mode, request).then(entryReply);
};

/** Regular files only: device nodes and pipes are no content. */
export const mknod: Handler = async ({ filesystem }, request) => {
  const mode = request.body.u32();
  request.body.skip(4);
  request.umask = request.body.u32();
  request.body.skip(4);
  const name = request.body.name();
  if ((mode & files.S_IFMT) !== files.S_IFREG) filesystem.refuseNode(request.node, name);
  const flags = files.O_CREAT | files.O_EXCL | files.O_WRONLY;
  const { entry, opened } = await filesystem.create(request.node, name, flags, mode & PERMISSIONS, request);
  try {
    await filesystem.release(opened.handle);
  } catch (error) {
    filesystem.forget(entry.id, 1);
    throw error;
  }
  return entryReply(entry);
};

export const create: Handler = async ({ filesystem, backings }, request) => {
  const { body, node } = request;
  const flags = body.u32();
  const mode = body.u32() & PERMISSIONS;
  request.umask = body.u32();
  body.skip(4);
  const { entry, opened } = await filesystem.create(node, body.name(), flags, mode, request);
  const backing = backings.opened(entry.id, opened);
  const reply = Writer.of(SIZE.ENTRY_OUT + SIZE.OPEN_OUT);
  putEntry(reply, entry);
  putOpen(reply, opened.handle, openFlags(opened.mode, backing), backing);
  return reply;
};

export const symlink: Handler = ({ filesystem }, request) => {
  const name = request.body.name();
  return filesystem.symlink(request.node, name, request.body.name(), request).then(entryReply);
};

export const link: Handler = ({ filesystem }, request) => {
  const old = request.body.u64();
  return filesystem.link(old, request.node, request.body.name(), request).then(entryReply);
};

export const unlink: Handler = ({ filesystem }, request) =>
  then(filesystem.unlink(request.node, request.body.name(), request), () => undefined);

export const rmdir: Handler = ({ filesystem }, request) =>
  then(filesystem.rmdir(request.node, request.body.name(), request), () => undefined);

export const rename: Handler = (context, request) => {
  request.alsoNode = request.body.u64();
  return renameWith(0, context, request);
};

export const rename2: Handler = (context, request) => {
  request.alsoNode = request.body.u64();
  const flags = request.body.u32();
  request.body.skip(4);
  return renameWith(flags, context, request);
};

function renameWith(flags: number, ...[{ filesystem }, request]: Parameters<Handler>): ReturnType<Handler> {
  const name = request.body.name();
  const toName = request.body.name();
  const done = filesystem.rename(request.node, name, request.alsoNode, toName, flags, request);
  return then(done, () => undefined);
}

function entryReply(entry: Entry): Writer {
  const reply = Writer.of(SIZE.ENTRY_OUT);
  putEntry(reply, entry);
  return reply;
}
