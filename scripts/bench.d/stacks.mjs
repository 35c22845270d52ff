// Layers through a mount of cas-mount: registering them into a stack, and where they are found.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, timed } from './run.mjs';

const FILL = `
cd "$1/ingest" || exit
number=0
for tar in "\${@:2}"; do
  number=$((number + 1))
  cp -- "$tar" "$number.tar" || exit
done
sync`;

// Each layer is durable when its mv returns.
const REGISTER = `
cd "$1" && mkdir "stacks/$2" || exit
for ((number = 1; number <= $3; number++)); do
  mv "ingest/$number.tar" "stacks/$2/" || exit
done`;

/**
 * Registers tars as the stack `name`, the base first. Seconds that it took once they were ingests, as the tars of other
 * systems are files of the disk.
 */
export async function register({ mountpoint }, name, tars) {
  if (!existsSync(join(mountpoint, 'stacks')))
    throw new Error('stacks are not there yet: cas-mount has no layers');
  await run(['bash', '-c', FILL, 'fill', mountpoint, ...tars], { seconds: 600 });
  return timed(REGISTER, [mountpoint, name, tars.length], { seconds: 600 });
}

/** The view of a stack. */
export function rootfs({ mountpoint }, name) {
  return join(mountpoint, 'stacks', name, 'rootfs');
}

/** A layer as the tar that was registered. */
export function layerTar({ mountpoint }, chain) {
  return join(mountpoint, 'layers/sha256', `${chain}.tar`);
}

/** Resident memory of the process that serves a mount, in MiB: now, and at most (proc_pid_status(5), kB). */
export function memoryOf(mount) {
  const pid = mount.pids().at(-1);
  if (pid === undefined) throw new Error(`no daemon serves ${mount.mountpoint}`);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)[1]) / 1024;
  return { now: field('VmRSS'), most: field('VmHWM') };
}
