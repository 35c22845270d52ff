import fs from 'node:fs';
import { dirname } from 'node:path';
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
 * The lock of a store: flock(2) on its root directory, which nobody can remove and make anew as they could a file in
 * it. It belongs to the open file, not to the process: the kernel drops it when the holder dies, whatever killed it,
 * and no second open in the same process drops it (as it would an fcntl lock). `<root>/lock` says who holds it.
 */
export interface StoreLock {
  release(): void;
}

/**
 * Takes the lock of the directory that holds `path`, the file that says by whom, or fails at once.
 * @throws CasError STORE_LOCKED, naming the holder and since when
 */
export function lockStore(path: string): StoreLock {
  const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR } = fs.constants;
  const root = fs.openSync(dirname(path), O_RDONLY | O_DIRECTORY);
  try {
    flock(root, LOCK_EX | LOCK_NB);
    const file = fs.openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    describeHolder(file);
    fs.closeSync(file);
  } catch (error) {
    const holder = readHolder(path);
    fs.closeSync(root);
    if (!isCode(error, 'EAGAIN') && !isCode(error, 'EWOULDBLOCK')) throw error;
    throw new CasError('STORE_LOCKED', {
      subject: path,
      found: holder === undefined ? 'an unknown process' : `process ${holder.pid}, since ${holder.since}`,
    });
  }
  return { release: () => fs.closeSync(root) };
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
