import fs from 'node:fs';
import { promisify } from 'node:util';
import { CasError } from './errors.js';
import { foreign } from './foreign.js';

/** An empty file that another process has made. */
export interface OutputFile {
  readonly path: string;
  /** Which one it is, as fstat(2) tells the process that made it. */
  readonly device: bigint;
  readonly inode: bigint;
}

const [open, close] = [promisify(fs.open), promisify(fs.close)];
const { O_WRONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;

/**
 * Opens a file for writing that another process has made for that, and closes it when `use` has settled.
 * @throws CasError FILE_UNREACHABLE where the path leads to nothing here, or to another file: mount namespaces differ,
 *   and so do the rights of processes; what `use` throws
 */
export async function withOutputFile<T>(file: OutputFile, use: (fd: number) => Promise<T>): Promise<T> {
  const { path: subject } = file;
  const fd = await foreign(() => open(subject, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)).catch(
    (cause: unknown) => {
      throw new CasError('FILE_UNREACHABLE', { subject, cause });
    },
  );
  try {
    const { dev, ino, size } = fs.fstatSync(fd, { bigint: true });
    if (dev !== file.device || ino !== file.inode || size !== 0n)
      throw new CasError('FILE_UNREACHABLE', { subject, found: 'another file' });
    return await use(fd);
  } finally {
    await foreign(() => close(fd));
  }
}
