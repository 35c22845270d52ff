import { type ChildProcess, execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { mountAt } from '../../fs/mounts.js';
import { ControlClient } from '../../src/control/client.js';
import { killAll, processesNaming } from '../helpers/left-behind.js';
import { CAS_MOUNT, isAlive, type Result, run, Site, until } from '../src/process/site.js';
import type { Variant } from './variants.js';

const execute = promisify(execFile);
const DEVICE = '/dev/fuse';
const DEVICE_MODE = fs.statSync(DEVICE).mode & 0o777;
const CONNECTIONS = '/sys/fs/fuse/connections';
const NOBODY = 65534;
const BECOME_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
/** A program that makes system calls for which there is no tool. */
const CALLER = fileURLToPath(new URL('caller.js', import.meta.url));

/** How many mounts of ordinary users there are: as long as there is one, others may open the device. */
let users = 0;

function openDevice(): void {
  users++;
  fs.chmodSync(DEVICE, 0o666);
}

function closeDevice(): void {
  users = Math.max(0, users - 1);
  if (users === 0) fs.chmodSync(DEVICE, DEVICE_MODE);
}

/** How long, in milliseconds, a script may take before its mount is taken to hang: others use the machine too. */
const PATIENCE = 90_000;

/** How long, in milliseconds, scripts that were killed may take to be gone. */
const LET_GO = 20_000;

/**
 * What every script begins with. `fails TEXT COMMAND…` demands that a command fails and says TEXT, `is A B` that two
 * words are equal; `overwrite` and `append` are `>` and `>>` as commands.
 */
const PRELUDE = `
set -euo pipefail
trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
cd "$mountpoint"
fails() {
  local text=$1 said
  shift
  if said=$("$@" 2>&1); then echo "succeeded: $*" >&2; return 1; fi
  [[ $said == *"$text"* ]] || { echo "$* said: $said, and not: $text" >&2; return 1; }
}
is() { [[ $1 == "$2" ]] || { echo "found $1, not $2" >&2; return 1; }; }
overwrite() { printf %s "$2" > "$1"; }
append() { printf %s "$2" >> "$1"; }
call() { "$node" "$caller" "$@"; }
`;

/** A store that is mounted by the built cas-mount, and shell scripts that use it as who mounted it. */
export class Mount {
  readonly variant: Variant;
  readonly site: Site;
  readonly #prefix: readonly string[];
  #clear: () => unknown = () => undefined;

  private constructor(variant: Variant) {
    this.variant = variant;
    this.site = new Site({ teardown: (clear) => (this.#clear = clear) });
    this.#prefix = variant.user ? BECOME_NOBODY : [];
    fs.mkdirSync(this.scratch);
    fs.chmodSync(this.site.directory, 0o755);
    if (!variant.user) return;
    openDevice();
    for (const path of [this.site.directory, this.mountpoint, this.scratch])
      fs.chownSync(path, NOBODY, NOBODY);
  }

  /** Mounts a new store, or the one that `prepare` has made. */
  static async of(variant: Variant, { args = [], env = {}, prepare }: MountOptions = {}): Promise<Mount> {
    const mount = new Mount(variant);
    try {
      await prepare?.(mount);
      await mount.mount(args, env);
      return mount;
    } catch (error) {
      await mount.close();
      throw error;
    }
  }

  get mountpoint(): string {
    return this.site.mountpoint;
  }

  /** A directory outside the mount where scripts may write. */
  get scratch(): string {
    return this.site.path('scratch');
  }

  /** Runs cas-mount as the variant says. */
  castMount(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Result> {
    const transport = ['--transport', this.variant.transport];
    return this.#run(
      [process.execPath, CAS_MOUNT, '--root', this.site.store, ...transport, ...args, this.mountpoint],
      env,
    );
  }

  /** Mounts. @throws Error with what cas-mount says */
  async mount(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<void> {
    if (this.variant.user) fs.chmodSync(DEVICE, 0o666);
    const { code, stderr } = await this.castMount(args, env);
    if (code !== 0) throw new Error(`cas-mount: exit code ${code}: ${stderr}`);
  }

  /** Runs a script of bash in the mount; a mount that hangs is aborted. @throws Error saying that it hangs */
  async run(script: string, variables: NodeJS.ProcessEnv = {}): Promise<Result> {
    const running = this.#run(['bash', '-c', PRELUDE + script], { ...this.#places, ...variables });
    let timer: NodeJS.Timeout | undefined;
    const hang = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.abort();
        reject(new Error(`hangs: ${script}`));
      }, PATIENCE);
    });
    return Promise.race([running, hang]).finally(() => clearTimeout(timer));
  }

  /** Starts such a script; the caller ends it. Standard input and output are pipes, errors are the tester's. */
  start(script: string, variables: NodeJS.ProcessEnv = {}): ChildProcess {
    const [program, ...args] = [...this.#prefix, 'bash', '-c', PRELUDE + script];
    const env = { ...withoutSettings(process.env), ...this.#places, ...variables };
    return spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** What the daemon tells of itself. */
  async status(): Promise<Status> {
    return (await new ControlClient(this.site.store).get('/v1/status')) as Status;
  }

  /** Kills the daemon by SIGKILL and waits until it is gone. */
  async kill(): Promise<void> {
    const pid = this.site.daemon;
    process.kill(pid, 'SIGKILL');
    await until('the daemon is gone', () => !isAlive(pid));
  }

  /** Unmounts and waits until the daemon is gone. The mount of the layers within it goes a moment after its last use. */
  async unmount(): Promise<void> {
    const pid = this.site.daemon;
    await until('the layers are at rest', () => !this.site.mountedAt('layers'));
    await execute('umount', [this.mountpoint], { timeout: PATIENCE });
    await until('the daemon is gone', () => !isAlive(pid));
  }

  async restart(): Promise<void> {
    await this.unmount();
    await this.mount();
  }

  /** Ends a mount that hangs: every request fails, the daemon is killed. */
  abort(): void {
    const minor = mountAt(this.mountpoint)?.minor;
    const file = `${CONNECTIONS}/${minor ?? ''}/abort`;
    if (minor !== undefined && fs.existsSync(file)) fs.writeFileSync(file, '1');
    if (isAlive(this.site.daemon)) process.kill(this.site.daemon, 'SIGKILL');
  }

  /**
   * Ends the scripts that still run, unmounts if need be and removes all, in whatever state a test that failed has left
   * it. @throws where the mount did not go by itself
   */
  async close(): Promise<void> {
    if (this.variant.user) closeDevice();
    try {
      // One that cannot be killed waits for a daemon that hangs.
      await killAll(processesNaming(`\0mountpoint=${this.mountpoint}\0`), LET_GO);
      if (this.site.mounted && this.#isServed()) await this.unmount();
    } finally {
      await this.#clear();
    }
  }

  /** Whether there is a daemon to be told; of one whose disk has failed it may not be known. */
  #isServed(): boolean {
    try {
      return isAlive(this.site.daemon);
    } catch {
      return false;
    }
  }

  /** The variables that every script has. */
  get #places(): NodeJS.ProcessEnv {
    const { mountpoint, scratch } = this;
    const { store } = this.site;
    return { LC_ALL: 'C', mountpoint, scratch, store, node: process.execPath, caller: CALLER };
  }

  #run(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Result> {
    const [program = '', ...args] = [...this.#prefix, ...command];
    return run(program, args, { env: { ...withoutSettings(process.env), ...env } });
  }
}

export interface MountOptions {
  /** Further arguments of cas-mount. */
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What is done before it is mounted. */
  readonly prepare?: (mount: Mount) => unknown;
}

/** What the tests look at in the daemon's status. */
export interface Status {
  readonly operations: Readonly<Record<string, { readonly count: number }>>;
  readonly transport: string;
  readonly passthrough: boolean;
  readonly defects: number;
  readonly memory: { readonly rss: number };
  readonly counts: {
    readonly inodes: number;
    readonly files: number;
    readonly directories: number;
    readonly pending: number;
  };
}

/** The tester's own settings for cas-mount are none of the tests'. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('CAS_MOUNT_')));
}
