import os from 'node:os';
import path from 'node:path';
import { Failure, MOUNT_EXIT } from './failure.js';

const NAME = 'cas-mount';

/**
 * The store of a user who names none: /var/lib/cas-mount for root, else under $XDG_DATA_HOME (XDG Base Directory
 * Specification: a relative one is ignored) or the home directory, which the passwd entry tells where HOME is unset.
 * @throws Failure for a user without a home
 */
export function defaultStore(env: NodeJS.ProcessEnv, uid = process.geteuid?.()): string {
  if (uid === 0) return path.join('/var/lib', NAME);
  const data = env['XDG_DATA_HOME'];
  if (data !== undefined && path.isAbsolute(data)) return path.join(data, NAME);
  const home = env['HOME'] ?? passwdHome();
  if (home === undefined || !path.isAbsolute(home)) {
    throw new Failure(
      MOUNT_EXIT.usage,
      'no store: this user has no home directory; name the store with --root DIR',
    );
  }
  return path.join(home, '.local/share', NAME);
}

function passwdHome(): string | undefined {
  try {
    return os.userInfo().homedir;
  } catch {
    // getpwuid_r(3) finds no entry, as in a container that runs under an arbitrary number.
    return undefined;
  }
}
