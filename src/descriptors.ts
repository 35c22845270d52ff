import { readdirSync, readFileSync } from 'node:fs';
import { bind } from '../store/libc.js';

const DARWIN = process.platform === 'darwin';
const FIOCLEX = DARWIN ? 0x2000_6601 : 0x5451;
const FIONCLEX = DARWIN ? 0x2000_6602 : 0x5450;
const O_CLOEXEC = 0o2000000;

/** Sets or clears FD_CLOEXEC. */
export function setCloseOnExec(fd: number, on: boolean): void {
  bind('int ioctl(int, unsigned long)')(fd, on ? FIOCLEX : FIONCLEX);
}

/**
 * Keeps what we were started with to ourselves: a lock or a pipe of the shell that a daemon inherits stays open for
 * as long as it runs. Node's own descriptors are closed on exec anyway.
 */
export function keepDescriptors(directory = '/proc/self/fdinfo'): void {
  if (process.platform !== 'linux') return;
  for (const fd of readdirSync(directory).map(Number)) {
    if (fd > 2 && isInherited(`${directory}/${fd}`)) setCloseOnExec(fd, true);
  }
}

/** False for the one that read the directory and is closed by now. */
function isInherited(info: string): boolean {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(info, 'utf8'))?.[1] ?? '0';
    return (parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    return false;
  }
}
