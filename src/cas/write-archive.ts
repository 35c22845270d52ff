import { closeSync, fstatSync, openSync, rmSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ControlClient } from '../control/client.js';
import type { ControlFailure, ExportedLine, RegistrationLine } from '../control/protocol.js';
import { Failure, TOOL_EXIT } from '../failure.js';
import type { GivenOptions } from './command.js';
import type { Output } from './output.js';
import { query } from './query.js';
import { progressLine } from './registration.js';
import type { ProgressLine } from './watch/progress-line.js';

/** f_type of statfs(2): FUSE_SUPER_MAGIC of fs/fuse/inode.c. */
const FUSE = 0x65735546;

/**
 * Has the daemon write an archive to a file that is not there yet: through its socket the bytes of an image took half as
 * long again.
 * @returns false where the daemon cannot: there is no file then
 * @throws Failure with what the daemon says
 */
export async function writeArchive(
  client: ControlClient,
  output: Output,
  names: readonly string[],
  options: GivenOptions,
  file: string,
): Promise<boolean> {
  // It may be the daemon's own mount, where it would wait for itself, and where a file has one writer.
  if (statfsSync(dirname(file)).type === FUSE) return false;
  const fd = openSync(file, 'wx');
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const which = { path: file, device: `${dev}`, inode: `${ino}` };
    const url = `/v1/archive/file${query({ name: names, ...options, ...which })}`;
    const size = await askFor(client, url, progressLine(output, names.join(' ')));
    const found = fstatSync(fd).size;
    if (found === size) return true;
    throw new Failure(TOOL_EXIT.failure, `${file}: the daemon wrote ${size} bytes, and there are ${found}`);
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    rmSync(file);
    return false;
  } finally {
    closeSync(fd);
  }
}

/** @returns how many bytes the daemon has written */
async function askFor(client: ControlClient, url: string, line: ProgressLine | undefined): Promise<number> {
  let size: number | undefined;
  try {
    for await (const told of client.lines(url, { method: 'POST' }) as AsyncIterable<
      RegistrationLine | ExportedLine
    >) {
      if ('exported' in told) ({ size } = told.exported);
      else line?.show(told.progress);
    }
  } finally {
    line?.close();
  }
  if (size !== undefined) return size;
  throw new Failure(TOOL_EXIT.failure, 'the daemon ended in the middle of its answer');
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Failure && (error.cause as ControlFailure | undefined)?.code === 'FILE_UNREACHABLE';
}
