import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { mounts } from '../../fs/mounts.js';
import { isAlive } from './processes.js';

const execute = promisify(execFile);

const CONNECTIONS = '/sys/fs/fuse/connections';

/** How long, in milliseconds, a process that was killed may take to be gone. */
const PATIENCE = 60_000;

/** The processes that have `text` in their command line or in their environment; of those of others none is seen. */
export function processesNaming(text: string): number[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== `${process.pid}`)
    .filter((pid) => ['cmdline', 'environ'].some((file) => textOf(`/proc/${pid}/${file}`).includes(text)))
    .map(Number);
}

/** The mounts below a directory, those that cover others last. */
export function mountsBelow(directory: string): string[] {
  return mounts()
    .map(({ mountpoint }) => mountpoint)
    .filter((path) => path.startsWith(`${directory}/`));
}

/** Kills processes and waits until they are gone. @throws Error naming those that are not after `patience` ms */
export async function killAll(pids: readonly number[], patience = PATIENCE): Promise<void> {
  for (const pid of pids) killIfThere(pid);
  const deadline = performance.now() + patience;
  while (pids.some(isAlive)) {
    if (performance.now() > deadline) throw new Error(`still there: ${pids.filter(isAlive).join(' ')}`);
    await sleep(10);
  }
}

/**
 * Ends all processes that name what is below a directory of the test's own, and all mounts below it, whatever state
 * they are in: daemons that hang, clients that wait for them, file systems whose disk has failed.
 */
export async function endAllBelow(directory: string): Promise<void> {
  const pids = processesNaming(`${directory}/`);
  for (const pid of pids) killIfThere(pid);
  for (const { mountpoint, type, minor } of mounts())
    if (mountpoint.startsWith(`${directory}/`) && type.startsWith('fuse')) abort(minor);
  for (const path of mountsBelow(directory).reverse())
    await execute('umount', ['-l', path]).catch(() => undefined);
  await killAll(pids);
  const left = mountsBelow(directory);
  if (left.length > 0) throw new Error(`still mounted: ${left.join(' ')}`);
}

/** The loop devices that stand on a file, as `/dev/loop<number>`. */
export function loopDevicesOf(file: string): string[] {
  return fs
    .readdirSync('/sys/block')
    .filter((name) => textOf(`/sys/block/${name}/loop/backing_file`).trim() === file)
    .map((name) => `/dev/${name}`);
}

function abort(connection: number): void {
  try {
    fs.writeFileSync(`${CONNECTIONS}/${connection}/abort`, '1');
  } catch {
    // It has gone with its daemon.
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function textOf(path: string): string {
  try {
    return fs.readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
