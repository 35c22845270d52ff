import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** How long, in milliseconds, a file system may stay busy whose users were killed. */
const PATIENCE = 60_000;

/** Unmounts what is at `path` as soon as nobody uses it: whoever was killed may still be closing files. */
export async function unmountOnceFree(path: string): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    try {
      await execute('umount', [path]);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(20);
    }
  }
}
