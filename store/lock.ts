import fs from 'node:fs';
import { CasError } from './errors.js';
import { isCode } from './files.js';
import { bind } from './libc.js';

const flock = bind('int flock(int, int)');
const LOCK_EX = 2;
const LOCK_NB = 4;

/** What the lock file says of its holder. */
interface Holder {
  readonly pid: number;
  readonly since: string;
}

/**
 * The lock of a store: flock(2) on `<root>/lock`. It belongs to the open file, not to the process: the kernel
 * drops it when the holder dies, whatever killed it, and neither a second open nor a read of the file in the same
 * process drops it (as it would an fcntl lock).
 */
export interface StoreLock {
  release(): void;
}

/**
 * Takes the lock at `path` or fails at once.
 * @throws CasError STORE_LOCKED, naming the holder and since when
 */
export function lockStore(path: string): StoreLock {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW, 0o600);
  try {
    flock(fd, LOCK_EX | LOCK_NB);
  } catch (error) {
    const holder = readHolder(path);
    fs.closeSync(fd);
    if (!isCode(error, 'EAGAIN') && !isCode(error, 'EWOULDBLOCK')) throw error;
    throw new CasError('STORE_LOCKED', {
      subject: path,
      found: holder === undefined ? 'an unknown process' : `process ${holder.pid}, since ${holder.since}`,
    });
  }
  describeHolder(fd);
  return { release: () => fs.closeSync(fd) };
}

/**
 * Says who holds the lock. It holds without that: a store on a full disk must open, or nobody could make room. So the
 * text is written over the last one, whose block the file has; only what cannot be replaced is cut.
 */
function describeHolder(fd: number): void {
  const holder: Holder = { pid: process.pid, since: new Date().toISOString() };
  try {
    fs.ftruncateSync(fd, fs.writeSync(fd, `${JSON.stringify(holder)}\n`, 0));
  } catch {
    fs.ftruncateSync(fd);
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(fs.readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}
