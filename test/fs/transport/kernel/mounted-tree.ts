import { type ChildProcess, execFile, fork } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { mountAt } from '../../../../fs/mounts.js';
import { temporaryDirectory } from '../../../helpers/temporary.js';
import type { Ask, Said } from '../../mount-child.js';

const execute = promisify(execFile);
const CHILD = fileURLToPath(new URL('../../mount-child.js', import.meta.url));

/** A memory tree that another process has mounted. */
export interface MountedTree {
  readonly path: string;
  readonly passthrough: boolean;
  readonly child: ChildProcess;
  /** Sends a message and waits for its answer. */
  ask(ask: Ask): Promise<Said>;
  /** Asks for reports until one is as wanted: closed files are released, and nodes forgotten, some time later. */
  reportWhen(wanted: (report: Said) => boolean): Promise<Said>;
  /** Waits for the child to say something on its own account. */
  hears(what: Said['ask']): Promise<Said>;
  /** The standard output of a shell script that runs in the mount; it is killed after 90 seconds. */
  shell(script: string): Promise<string>;
}

/** What a tree is mounted with. */
export interface TreeOptions {
  readonly backed?: string;
  readonly user?: number;
  readonly options?: string;
}

/** Mounts the tree of mount-child.ts for a test. What is left when it ends is aborted and detached. */
export async function mountTree(
  t: ExecutionContext,
  { backed = '', user = 0, options = '' }: TreeOptions = {},
): Promise<MountedTree> {
  const above = temporaryDirectory(t);
  chmodSync(above, 0o755);
  const path = join(above, 'mnt');
  mkdirSync(path);
  chmodSync(path, 0o777);
  const child = fork(CHILD, [path, backed, String(user), options]);
  const heard: Said[] = [];
  const listeners = new Set<() => void>();
  const wake = (): void => listeners.forEach((listener) => listener());
  child.on('message', (message: Said) => {
    heard.push(message);
    wake();
  });
  child.on('exit', wake);
  t.teardown(() => discard(child, path));

  const hears = (what: Said['ask']): Promise<Said> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const index = heard.findIndex(({ ask }) => ask === what);
        const [said] = index < 0 ? [] : heard.splice(index, 1);
        if (said === undefined && child.exitCode === null) return;
        listeners.delete(look);
        if (said) resolve(said);
        else reject(new Error(`the process ended before it said ${what}`));
      };
      listeners.add(look);
      look();
    });
  const ask = (what: Ask): Promise<Said> => {
    child.send(what);
    return hears(what);
  };
  const { passthrough = false, error } = await hears('ready');
  if (error !== undefined) throw new Error(error);
  return {
    path,
    passthrough,
    child,
    hears,
    ask,
    async reportWhen(wanted) {
      for (;;) {
        const report = await ask('report');
        if (wanted(report)) return report;
      }
    },
    shell: (script) => shell(script, path, user),
  };
}

/** Runs a shell script in a directory, as another user if wanted; its standard output. */
export async function shell(script: string, directory: string, user = 0): Promise<string> {
  const identity = user === 0 ? [] : ['--reuid', String(user), '--regid', String(user), '--clear-groups'];
  const { stdout } = await execute(
    'setpriv',
    [...identity, '/bin/sh', '-c', `cd '${directory}' && { ${script}\n}`],
    { cwd: '/', timeout: 90_000, killSignal: 'SIGKILL', maxBuffer: 1 << 26 },
  );
  return stdout;
}

async function discard(child: ChildProcess, path: string): Promise<void> {
  const mount = mountAt(path);
  if (mount) {
    try {
      writeFileSync(`/sys/fs/fuse/connections/${mount.minor}/abort`, '1');
    } catch {
      // Without fusectl the end of the process aborts the connection.
    }
  }
  if (child.exitCode === null && child.signalCode === null) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
  // The process may have detached it in the meantime.
  await execute('umount', ['-l', path]).catch((error: unknown) => {
    if (mountAt(path)) throw error;
  });
}
