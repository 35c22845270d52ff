import { statSync } from 'node:fs';
import path from 'node:path';
import { type Mount, mounts } from '../../fs/mounts.js';
import { defaultStore } from '../default-store.js';
import { Failure, TOOL_EXIT } from '../failure.js';
import { OUR_TYPE } from '../mount-type.js';
import { canonicalPath, isWithin } from '../paths.js';

/** How a store is named on the command line, and where the command line is. */
export interface Place {
  readonly root?: string | undefined;
  readonly mount?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/**
 * The store that a command is about: the one that `--root`, `--mount` or CAS_MOUNT_ROOT name, else that of the mount
 * the current directory is in, else that of the only mount, else the user's default store.
 * @throws Failure when there is none, or more than one
 */
export function locateStore({ root, mount, env, cwd }: Place, table: readonly Mount[] = mounts()): string {
  const ours = table.filter(({ type }) => type === OUR_TYPE);
  const named = root ?? (mount === undefined ? env['CAS_MOUNT_ROOT'] : undefined);
  if (named) return existing(path.resolve(cwd, named));
  if (mount !== undefined) {
    const found = mountOf(canonicalPath(path.resolve(cwd, mount)), table);
    if (found?.type === OUR_TYPE) return found.source;
    throw new Failure(
      TOOL_EXIT.failure,
      `${mount}: not in a mounted store; /proc/mounts shows what is mounted`,
    );
  }
  const here = mountOf(cwd, table);
  if (here?.type === OUR_TYPE) return here.source;
  const stores = [...new Set(ours.map(({ source }) => source))];
  const [only] = stores;
  if (only === undefined) return existing(defaultStore(env));
  if (stores.length === 1) return only;
  throw new Failure(
    TOOL_EXIT.usage,
    `several stores are mounted (${stores.join(', ')}): name one with --root or --mount`,
  );
}

function mountOf(place: string, table: readonly Mount[]): Mount | undefined {
  const depth = (mount: Mount): number => mount.mountpoint.length;
  return table
    .filter((mount) => isWithin(place, mount.mountpoint))
    .reduce<Mount | undefined>(
      (deepest, mount) => (deepest && depth(deepest) > depth(mount) ? deepest : mount),
      undefined,
    );
}

function existing(root: string): string {
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() === true) return root;
  throw new Failure(TOOL_EXIT.noStore, `${root}: there is no store; cas-mount ${root} MOUNTPOINT makes one`);
}
