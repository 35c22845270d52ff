import { type ChildProcess, execFile, fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { mountAt } from '../../../../fs/mounts.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import type { Ask, Said } from './child.js';

const execute = promisify(execFile);
const CHILD = fileURLToPath(new URL('child.js', import.meta.url));

/** A memory tree that another process has mounted through libfuse. */
export interface Mounted {
  readonly path: string;
  readonly child: ChildProcess;
  /** The code or signal with which the process ended. */
  readonly exited: Promise<number | string | null>;
  /** Sends a message and waits for its answer. */
  ask(ask: Ask): Promise<Said>;
  /** Waits for the process to say something on its own account. */
  hears(what: Said['ask']): Promise<Said>;
  /** The standard output of a shell script that runs in the mount. */
  shell(script: string): Promise<string>;
}

/** Mounts the tree of child.ts for a test. What is left when it ends is aborted and detached. */
export async function mount(
  t: ExecutionContext,
  { source = '/store', options = '' }: { source?: string; options?: string } = {},
): Promise<Mounted> {
  const above = temporaryDirectory(t);
  await execute('chmod', ['755', above]);
  const path = join(above, 'mnt');
  mkdirSync(path);
  const child = fork(CHILD, [path, source, options]);
  const heard: Said[] = [];
  const listeners = new Set<() => void>();
  const wake = (): void => listeners.forEach((listener) => listener());
  child.on('message', (message: Said) => {
    heard.push(message);
    wake();
  });
  const exited = new Promise<number | string | null>((resolve) => {
    child.on('exit', (code, signal) => {
      wake();
      resolve(signal ?? code);
    });
  });
  t.teardown(() => discard(child, exited, path));

  const hears = (what: Said['ask']): Promise<Said> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const index = heard.findIndex(({ ask }) => ask === what || ask === 'failed');
        const [said] = index < 0 ? [] : heard.splice(index, 1);
        if (said === undefined && child.exitCode === null && child.signalCode === null) return;
        listeners.delete(look);
        if (said?.ask === what) resolve(said);
        else reject(new Error(said?.error ?? `the process ended before it said ${what}`));
      };
      listeners.add(look);
      look();
    });
  await hears('ready');
  return {
    path,
    child,
    exited,
    hears,
    ask(ask) {
      child.send(ask);
      return hears(ask);
    },
    shell: (script) => shell(script, path),
  };
}

/** Runs a shell script in a directory; its standard output. It is killed after 90 seconds. */
export async function shell(script: string, cwd: string): Promise<string> {
  const bounds = { cwd, timeout: 90_000, killSignal: 'SIGKILL', maxBuffer: 1 << 26 } as const;
  return (await execute('/bin/sh', ['-c', script], bounds)).stdout;
}

async function discard(child: ChildProcess, exited: Promise<unknown>, path: string): Promise<void> {
  const left = mountAt(path);
  if (left) {
    try {
      writeFileSync(`/sys/fs/fuse/connections/${left.minor}/abort`, '1');
    } catch {
      // Without fusectl the end of the process aborts the connection.
    }
  }
  child.kill('SIGKILL');
  await exited;
  // The process may have detached it in the meantime.
  await execute('umount', ['-l', path]).catch((error: unknown) => {
    if (mountAt(path)) throw error;
  });
}
