import { type ChildProcess, spawn } from 'node:child_process';
import { keepDescriptors } from './descriptors.js';
import { exitOf, Failure, messageOf, MOUNT_EXIT } from './failure.js';
import { hasThreadPool, THREAD_POOL_SIZE } from './thread-pool.js';

/** Marks the process that serves in the background. */
const MARK = 'CAS_MOUNT_DAEMON';

/** What the daemon tells the process that started it, once. */
type Report =
  { readonly ready: true } | { readonly ready: false; readonly message: string; readonly exit: number };

/**
 * Starts this program again in the background, in a session of its own, and waits until its mount answers.
 * @throws Failure with what the daemon says, when it does not come so far
 */
export async function launch(): Promise<void> {
  keepDescriptors();
  const daemon = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: {
      ...process.env,
      [MARK]: '1',
      ...(hasThreadPool(process.env) ? {} : { UV_THREADPOOL_SIZE: THREAD_POOL_SIZE }),
    },
  });
  const stop = (signal: NodeJS.Signals): void => void daemon.kill(signal);
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const report = await reportOf(daemon);
  if (!report.ready) throw new Failure(report.exit, report.message);
  daemon.stderr?.destroy();
  daemon.unref();
}

function reportOf(daemon: ChildProcess): Promise<Report> {
  return new Promise((resolve) => {
    let complaints = '';
    daemon.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaints = (complaints + text).slice(-64 * 1024);
    });
    const died = (reason: string): void => {
      const message = `the daemon ended before the mount was ready (${reason})${complaints && `: ${complaints.trim()}`}`;
      resolve({ ready: false, message, exit: MOUNT_EXIT.system });
    };
    daemon.on('message', (report: Report) => resolve(report));
    daemon.on('error', (error) => died(error.message));
    daemon.on('close', (code, signal) => died(signal ?? `exit code ${code ?? 'unknown'}`));
  });
}

/** Whether this process was started by {@link launch}. */
export function isDaemon(): boolean {
  return process.send !== undefined && process.env[MARK] !== undefined;
}

/** The daemon's end of {@link launch}. */
export const launcher = {
  /** The mount answers; whoever waits may go on. */
  ready: (): Promise<void> => tell({ ready: true }),
  /** It did not come so far. */
  failed: (error: unknown): Promise<void> =>
    tell({ ready: false, message: messageOf(error), exit: exitOf(error, MOUNT_EXIT.system) }),
};

function tell(report: Report): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected) {
      resolve();
      return;
    }
    // A launcher that was killed meanwhile must not end the daemon.
    process.send?.(report, undefined, undefined, () => {
      if (process.connected) process.disconnect();
      resolve();
    });
  });
}
