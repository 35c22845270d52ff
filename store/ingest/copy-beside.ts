import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { fstat, ifPresent, open, rename, unlink } from '../files.js';

const { COPYFILE_EXCL, COPYFILE_FICLONE, O_RDONLY } = fs.constants;

/**
 * Copies the open file `fd`, with its owner and mode, and puts the copy in its place at `path`. What a crash leaves beside
 * it is removed when the ingests are next loaded.
 * @returns a descriptor of the copy that cannot write
 */
export async function replaceByCopy(fd: number, path: string): Promise<number> {
  const copy = join(dirname(path), `.${randomUUID()}.tmp`);
  const { uid, gid } = fstat(fd);
  try {
    await fs.promises.copyFile(`/proc/self/fd/${fd}`, copy, COPYFILE_EXCL | COPYFILE_FICLONE);
    await fs.promises.chown(copy, Number(uid), Number(gid));
    await rename(copy, path);
  } catch (error) {
    await ifPresent(unlink(copy));
    throw error;
  }
  return open(path, O_RDONLY);
}
