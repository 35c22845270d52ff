import { fstatSync } from 'node:fs';
import { setCloseOnExec } from './descriptors.js';
import { bind } from '../store/libc.js';
import { THREAD_POOL_SIZE } from './thread-pool.js';

/** Starts this program again in this very process, with a thread pool that is large enough. Returns only by throwing. */
export function restartWithThreadPool(): never {
  const execve = bind('int execve(const char *, const char **, const char **)');
  // Node sets it on standard input, output and error too.
  for (const fd of [0, 1, 2]) if (isOpen(fd)) setCloseOnExec(fd, false);
  const env = Object.entries({ ...process.env, UV_THREADPOOL_SIZE: THREAD_POOL_SIZE });
  const argv = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  execve(process.execPath, [...argv, null], [...env.map(([name, value]) => `${name}=${value}`), null]);
  throw new Error('execve returned');
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}
