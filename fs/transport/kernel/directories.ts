import { constants } from 'node:os';
import type { Accept } from '../../directory-stream.js';
import { errnoOf } from '../../errors.js';
import type { Entry } from '../../answers.js';
import type { FileSystem } from '../../filesystem.js';
import type { HandleId } from '../../handles.js';
import type { NodeId } from '../../inodes.js';
import type { Awaitable, DirEntry } from '../../node.js';
import { listNode } from '../../stateless.js';
import { direntSize, putDirent, putEntry, putOpen } from './encode.js';
import { type Context, type Handler, then } from './operation.js';
import { SIZE } from './protocol.js';
import type { Request } from './request.js';
import { Writer } from './wire.js';

/** Attributes of one directory that are fetched at a time. */
const PARALLEL = 16;

interface Listed {
  readonly entry: DirEntry;
  readonly next: number;
}

export const opendir: Handler = ({ filesystem }, { node }) => {
  const reply = Writer.of(SIZE.OPEN_OUT);
  putOpen(reply, filesystem.opendir(node), 0, 0);
  return reply;
};

export const releasedir: Handler = ({ filesystem }, { body }) =>
  filesystem.releasedir(body.u64()).then(() => undefined);

export const fsyncdir: Handler = ({ filesystem }, { body }) =>
  then(filesystem.fsyncdir(body.u64()), () => undefined);

/** Offers the entries of what a request lists. */
function list(
  { filesystem, stateless }: Context,
  node: NodeId,
  handle: HandleId,
  offset: number,
  accept: Accept,
): Awaitable<void> {
  return stateless ? listNode(filesystem, node, offset, accept) : filesystem.readdir(handle, offset, accept);
}

export const readdir: Handler = (context, { node, body }) => {
  const handle = body.u64();
  const offset = body.u64();
  const size = body.u32();
  const reply = Writer.of(size);
  const listed = list(context, node, handle, offset, (entry, next) => {
    if (reply.length + direntSize(entry) > size) return false;
    putDirent(reply, entry, next);
    return true;
  });
  return then(listed, () => reply);
};

/**
 * Names with their attributes, each a lookup except `.` and `..`. A name that is gone by the time its attributes
 * are asked for is left out; an empty reply would end the listing, so then the next names are taken.
 */
export const readdirplus: Handler = async (context, request) => {
  const handle = request.body.u64();
  let offset = request.body.u64();
  const size = request.body.u32();
  const reply = Writer.of(size);
  for (;;) {
    const listed: Listed[] = [];
    let room = size;
    const filled = list(context, request.node, handle, offset, (entry, next) => {
      room -= SIZE.ENTRY_OUT + direntSize(entry);
      if (room < 0) return false;
      listed.push({ entry, next });
      return true;
    });
    if (filled instanceof Promise) await filled;
    for (let taken = 0; taken < listed.length; taken += PARALLEL) {
      const some = listed.slice(taken, taken + PARALLEL);
      const looks = some.map(({ entry }) => look(context.filesystem, request, entry));
      const found = isSettled(looks) ? looks : await Promise.all(looks.map(async (one) => one));
      some.forEach((one, index) => putListed(reply, one, found[index]));
    }
    offset = listed.at(-1)?.next ?? 0;
    if (reply.length > 0 || offset === 0) return reply;
  }
};

/** Undefined for an entry that is gone, `unknown` for one whose attributes the kernel has to ask for itself. */
type Looked = Entry | 'unknown' | undefined;

function look(filesystem: FileSystem, request: Request, { name, node }: DirEntry): Awaitable<Looked> {
  if (name === '.' || name === '..') return 'unknown';
  try {
    const found =
      node === undefined ? filesystem.lookup(request.node, name, request) : filesystem.entry(node);
    return found instanceof Promise ? found.catch(lookedInVain) : found;
  } catch (error) {
    return lookedInVain(error);
  }
}

function isSettled(looks: readonly Awaitable<Looked>[]): looks is readonly Looked[] {
  return !looks.some((one) => one instanceof Promise);
}

function lookedInVain(error: unknown): Looked {
  return errnoOf(error) === constants.errno.ENOENT ? undefined : 'unknown';
}

/** struct fuse_direntplus. */
function putListed(to: Writer, { entry, next }: Listed, found: Looked): void {
  if (found === undefined) return;
  if (found === 'unknown') to.zeros(SIZE.ENTRY_OUT);
  else putEntry(to, found);
  putDirent(to, entry, next);
}
