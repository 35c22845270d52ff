import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { temporaryDirectory } from '../helpers/temporary.js';
import { Mount } from './mount.js';
import type { Variant } from './variants.js';

const execute = promisify(execFile);

/** An ext4 of so many MiB in a file, mounted until the test ends. Its path. */
export async function smallDisk(t: ExecutionContext, mebibytes: number): Promise<string> {
  const directory = temporaryDirectory(t);
  const [image, disk] = [`${directory}/image`, `${directory}/disk`];
  fs.writeFileSync(image, '');
  fs.truncateSync(image, mebibytes << 20);
  await execute('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  fs.mkdirSync(disk);
  await execute('mount', ['-o', 'loop', image, disk]);
  // A daemon that has just unmounted may need a moment to let go of its store.
  t.teardown(() => execute('umount', [disk]).catch(() => execute('umount', ['-l', disk])));
  return disk;
}

/** Mounts a store on a disk of its own; the disk is at `store`. */
export async function mountOnDisk(t: ExecutionContext, variant: Variant, mebibytes: number): Promise<Mount> {
  const disk = await smallDisk(t, mebibytes);
  const prepare = (mount: Mount): void => {
    if (variant.user) fs.chownSync(disk, fs.statSync(mount.mountpoint).uid, -1);
    if (variant.user) fs.chmodSync(`${disk}/..`, 0o755);
    fs.symlinkSync(disk, mount.site.store);
  };
  const mount = await Mount.of(variant, { prepare });
  t.teardown(() => mount.close());
  return mount;
}
