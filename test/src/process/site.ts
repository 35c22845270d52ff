import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { endAllBelow } from '../../helpers/left-behind.js';
import { isAlive } from '../../helpers/processes.js';

export { isAlive };

const built = (name: string): string => fileURLToPath(new URL(`../../../src/${name}`, import.meta.url));
export const CAS_MOUNT = built('cas-mount.js');
export const CAS = built('cas.js');

/** How long, in milliseconds, a command or an event may take before the test fails. */
const PATIENCE = 60_000;

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, or kills it. */
export function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Result> {
  const child = spawn(command, args, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE,
    killSignal: 'SIGKILL',
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Waits until `condition` holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(10);
  }
}

/** A directory with a store and a mountpoint, and what it takes to mount there. All is gone when the test ends. */
export class Site {
  readonly directory = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'cas-mount-process-')));
  readonly store = path.join(this.directory, 'store');
  readonly mountpoint = path.join(this.directory, 'mnt');
  readonly #children: ChildProcess[] = [];

  constructor(t: Pick<ExecutionContext, 'teardown'>) {
    mkdirSync(this.mountpoint);
    t.teardown(() => this.#clear());
  }

  path(...names: string[]): string {
    return path.join(this.directory, ...names);
  }

  /** Runs cas-mount with our store and mountpoint, unless `args` end with a mountpoint of their own. */
  mount(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Result> {
    return this.castMount(['--root', this.store, ...args, this.mountpoint], env);
  }

  castMount(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> {
    return run(process.execPath, [CAS_MOUNT, ...args], { env: environment(env) });
  }

  cas(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> {
    return run(process.execPath, [CAS, ...args], { env: environment(env) });
  }

  /** Starts a program that lives until it is killed, or the test ends. */
  start(
    command: string,
    args: readonly string[],
    options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
  ): ChildProcess {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.push(child);
    return child;
  }

  /** The process that serves the store. */
  get daemon(): number {
    return (JSON.parse(readFileSync(path.join(this.store, 'lock'), 'utf8')) as { pid: number }).pid;
  }

  /** Throws an error in the daemon that nobody catches, if it was started with CAS_MOUNT_TEST_FAULTS=1. */
  async throwInDaemon(): Promise<void> {
    const socket = path.join(this.store, 'cas.sock');
    const request = ['-X', 'POST', '--unix-socket', socket, 'http://cas/v1/faults/throw'];
    await run('curl', ['-sS', '-m', '5', ...request]);
  }

  get mounted(): boolean {
    return this.mountedAt();
  }

  /** Whether something is mounted at the mountpoint, or on a directory below it. */
  mountedAt(...names: string[]): boolean {
    const path = [this.mountpoint, ...names].join('/');
    return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `);
  }

  /** The events in the log of the daemon. A line that is being written is none yet. */
  get log(): Record<string, unknown>[] {
    const text = readFileSync(path.join(this.store, 'cas-mount.log'), 'utf8');
    const lines = text.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  logged(message: string): Record<string, unknown> | undefined {
    return this.log.findLast(({ msg }) => msg === message);
  }

  async #clear(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    // The lock need not tell the daemon: its disk may have failed, or the start have come no further.
    await endAllBelow(this.directory);
    rmSync(this.directory, { recursive: true });
  }
}

/** Nothing of the tester's own settings; the marker by which scripts/test finds what is left running stays. */
function environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { PATH, HOME, CAS_TEST_RUN } = process.env;
  return { PATH, HOME, CAS_TEST_RUN, ...env };
}
