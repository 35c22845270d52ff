/**
 * Threads that libuv needs here: two wait on /dev/fuse, the others hash, sync and read. Node's default is 4, and the
 * pool starts before any module of ours runs.
 */
export const THREAD_POOL_SIZE = '16';

/** Whether the pool has the size that somebody chose. */
export function hasThreadPool(env: NodeJS.ProcessEnv): boolean {
  return env['UV_THREADPOOL_SIZE'] !== undefined;
}
