import { errorFields, type Log } from './log.js';

/**
 * What happens to an error that nobody caught: it is logged, `abort` ends the mount so that no client waits for an
 * answer, and the process is killed. It must be SIGKILL: exit() joins the thread pool, and a thread that is blocked in
 * read(/dev/fuse) keeps the process, the connection and every client hanging.
 */
export function installLastResort(log: Log, abort: () => void): void {
  const end = (error: unknown): void => {
    try {
      log.fatal(
        { ...errorFields(error), stack: error instanceof Error ? error.stack : undefined },
        'defect: ending',
      );
    } finally {
      try {
        abort();
      } finally {
        process.kill(process.pid, 'SIGKILL');
      }
    }
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}
