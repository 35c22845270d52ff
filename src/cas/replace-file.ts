import { randomBytes } from 'node:crypto';
import { closeSync, openSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

/** Signals that end a program without its exit handlers. */
const ENDING = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** A file that is being made. It is empty at first. */
export interface PartialFile {
  readonly path: string;
  readonly fd: number;
}

/** The real path of a plain file, or of what may become one; undefined for a pipe, a device and the like. */
export function plainPath(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return path.resolve(file);
  return stats.isFile() ? realpathSync(file) : undefined;
}

/**
 * Makes a file, or replaces one: it has its name only when `fill` has settled without an error, and is gone otherwise.
 * @throws what `fill` throws; the system's error
 */
export async function replaceFile(
  file: string,
  fill: (partial: PartialFile) => Promise<void>,
): Promise<void> {
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`;
  const fd = openSync(partial, 'wx');
  const remove = (): void => rmSync(partial, { force: true });
  const end = (signal: NodeJS.Signals): void => {
    remove();
    process.off(signal, end).kill(process.pid, signal);
  };
  process.once('exit', remove);
  for (const signal of ENDING) process.on(signal, end);
  try {
    await fill({ path: partial, fd });
    renameSync(partial, file);
  } finally {
    closeSync(fd);
    remove();
    process.off('exit', remove);
    for (const signal of ENDING) process.off(signal, end);
  }
}
