import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { temporaryDirectory } from '../helpers/temporary.js';

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
