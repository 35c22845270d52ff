import { fstatSync, statfsSync } from 'node:fs';
import type { ControlClient } from '../control/client.js';
import type { ControlFailure, ExportedLine, RegistrationLine } from '../control/protocol.js';
import { Failure, TOOL_EXIT } from '../failure.js';
import type { GivenOptions } from './command.js';
import type { Output } from './output.js';
import { query } from './query.js';
import { progressLine } from './registration.js';
import type { PartialFile } from './replace-file.js';

/** f_type of statfs(2): FUSE_SUPER_MAGIC of fs/fuse/inode.c. */
const FUSE = 0x65735546;

/**
 * Has the daemon write an archive to a file. Sent through its socket, the bytes of an image took half as long again.
 * @returns false where the daemon cannot: nothing is written then
 * @throws Failure with what the daemon says
 */
export async function writeArchive(
  client: ControlClient,
  output: Output,
  names: readonly string[],
  options: GivenOptions,
  { path, fd }: PartialFile,
): Promise<boolean> {
  // It may be the daemon's own mount, which would have to answer while it waits for itself.
  if (statfsSync(path).type === FUSE) return false;
  const { dev, ino } = fstatSync(fd, { bigint: true });
  const file = { path, device: `${dev}`, inode: `${ino}` };
  const line = progressLine(output, names.join(' '));
  let size: number | undefined;
  try {
    const told = client.lines(`/v1/archive/file${query({ name: names, ...options, ...file })}`, {
      method: 'POST',
    });
    for await (const one of told as AsyncIterable<RegistrationLine | ExportedLine>) {
      if ('exported' in one) ({ size } = one.exported);
      else line?.show(one.progress);
    }
  } catch (error) {
    if (isUnreachable(error)) return false;
    throw error;
  } finally {
    line?.close();
  }
  const found = fstatSync(fd).size;
  if (found === size) return true;
  throw new Failure(TOOL_EXIT.failure, `${path}: the daemon wrote ${size} bytes, and there are ${found}`);
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Failure && (error.cause as ControlFailure | undefined)?.code === 'FILE_UNREACHABLE';
}
