import test from 'ava';
import { mountedOperations } from './mounted-operations.js';
import { contractSuite, treeSuite } from './suite.js';
import { treeSubject } from './tree-subject.js';

/** A tree that is mounted, whoever serves it. */
export interface MountedTree {
  readonly mountpoint: string;
  /** Unmounts and mounts again. */
  restart(): Promise<void>;
  /** Unmounts for good. */
  close(): Promise<void>;
}

/**
 * Registers both suites against one mount, made when the first test needs it. `renameFlags`: the mount knows those
 * of renameat2(2).
 */
export function mountedSuites(
  name: string,
  mount: () => Promise<MountedTree>,
  { renameFlags }: { renameFlags: boolean },
): void {
  let mounting: Promise<MountedTree> | undefined;
  const open = async (): Promise<ReturnType<typeof mountedOperations>> => {
    const mounted = await (mounting ??= mount());
    return mountedOperations(mounted.mountpoint, () => mounted.restart());
  };
  contractSuite({ name, serial: true, open: async () => treeSubject(await open()) });
  treeSuite({ name, serial: true, renameFlags, open });
  test.serial.after.always(`${name}: unmount`, async (t) => {
    t.timeout(180_000);
    await (await mounting)?.close();
  });
}
