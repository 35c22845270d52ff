import { type Accept, DirectoryStream } from './directory-stream.js';
import { FsError } from './errors.js';
import type { FileSystem } from './filesystem.js';
import type { NodeId } from './inodes.js';
import { listBatches } from './list-batches.js';
import type { Awaitable, Node } from './node.js';

/*
 * What is done with files and directories that are never opened: requests name the node, and each stands for itself.
 */

/** Fills `into` with what a file has at `offset`; the number of bytes read. */
export function readNode(
  filesystem: FileSystem,
  id: NodeId,
  into: Uint8Array,
  offset: number,
): Awaitable<number> {
  const node = filesystem.node(id);
  if (node.read === undefined) throw new FsError('EBADF', 'it can only be read once it is open');
  return node.read(into, offset);
}

/** Offers entries of a directory from `offset` on to `accept` until it declines or the directory ends. */
export function listNode(
  filesystem: FileSystem,
  id: NodeId,
  offset: number,
  accept: Accept,
): Awaitable<void> {
  const node = filesystem.directory(id);
  return node.batch === undefined
    ? listStream(node, offset, accept)
    : listBatches(node, node.number ?? id, offset, accept);
}

async function listStream(node: Node, offset: number, accept: Accept): Promise<void> {
  const stream = new DirectoryStream(node);
  try {
    await stream.read(offset, (await node.attr()).ino, accept);
  } finally {
    await stream.close();
  }
}
