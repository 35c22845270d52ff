// Mounting and unmounting: cas-mount and the peers that pass a directory through.
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onExit } from './cleanup.mjs';
import { kill, pidsOfRun, quietly, run, serve, until, USER } from './run.mjs';

let number = 0;

function isMounted(mountpoint) {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[4] === mountpoint);
}

function makeMountpoint(context, name, user) {
  const mountpoint = join(context.base, `${name}-${++number}`);
  mkdirSync(mountpoint);
  if (user) chownSync(mountpoint, USER, USER);
  return mountpoint;
}

/** Lets unprivileged users open /dev/fuse for as long as the run lasts. */
export function openFuseToUsers() {
  const mode = statSync('/dev/fuse').mode & 0o777;
  if (process.getuid() !== 0 || (mode & 0o006) === 0o006) return;
  chmodSync('/dev/fuse', 0o666);
  onExit(() => chmodSync('/dev/fuse', mode));
}

function mounted(mountpoint, user) {
  const end = onExit(() => {
    pidsOfRun(mountpoint).forEach((pid) => kill(pid, 'SIGKILL'));
    if (isMounted(mountpoint)) quietly(['umount', '-l', mountpoint]);
    rmdirSync(mountpoint);
  });
  return {
    mountpoint,
    pids: () => pidsOfRun(mountpoint),
    async unmount() {
      try {
        await unmountOnceFree(mountpoint, user);
        await until(() => pidsOfRun(mountpoint).length === 0, `the daemon of ${mountpoint} ends`);
      } finally {
        end();
      }
    },
  };
}

/** A mount is busy for a moment after the last look at one of its layers. */
async function unmountOnceFree(mountpoint, user) {
  const command = user ? ['fusermount3', '-u', mountpoint] : ['umount', mountpoint];
  for (let tries = 20; ; tries--) {
    try {
      return await run(command, { user, seconds: 30 });
    } catch (error) {
      if (tries === 0 || !/busy/i.test(error.message)) throw error;
      await sleep(100);
    }
  }
}

/** The command line that mounts `store` with cas-mount. */
function casCommand(context, store, mountpoint, options) {
  return [process.execPath, context.program, '--root', store, ...options, mountpoint];
}

/** Mounts `store` and returns once cas-mount says that it serves. */
export async function mountCas(context, store, { options = [], user = false } = {}) {
  if (!existsSync(context.program)) throw new Error('cas-mount is not built');
  const mountpoint = makeMountpoint(context, 'cas', user);
  const mount = mounted(mountpoint, user);
  const again = () =>
    run(casCommand(context, store, mountpoint, options), {
      user,
      seconds: 60,
      log: `${mountpoint}.log`,
      env: { UV_THREADPOOL_SIZE: '16' },
    });
  await again();
  return { ...mount, again };
}

async function mountPeer(context, name, user, command) {
  const mountpoint = makeMountpoint(context, name, user);
  const mount = mounted(mountpoint, user);
  const log = join(context.base, `${name}.log`);
  const child = serve(command(mountpoint), { user, log });
  await until(() => isMounted(mountpoint) || (child.exitCode ?? 0) !== 0, `${name} mounts`);
  if (!isMounted(mountpoint)) throw new Error(`${name}: ${readFileSync(log, 'utf8').trim()}`);
  return mount;
}

export function mountBindfs(context, source, { user = false } = {}) {
  return mountPeer(context, 'bindfs', user, (mountpoint) => [
    'bindfs',
    '-f',
    // Only root may let others in, unless /etc/fuse.conf says so.
    ...(user ? ['--no-allow-other'] : []),
    source,
    mountpoint,
  ]);
}

export function mountPassthrough(context, source) {
  return mountPeer(context, 'passthrough', false, (mountpoint) => [
    context.passthrough.program,
    source,
    mountpoint,
  ]);
}
