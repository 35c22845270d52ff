import { randomBytes } from 'node:crypto';
import { realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

/** Signals that end a program without its exit handlers. */
const ENDING = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** The real path of a plain file, or of what may become one; undefined for a pipe, a device and the like. */
export function plainPath(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return path.resolve(file);
  return stats.isFile() ? realpathSync(file) : undefined;
}

/**
 * Makes a file, or replaces one: what `make` makes gets the name when it has settled without an error, and is gone
 * otherwise.
 * @throws what `make` throws; the system's error
 */
export async function replaceFile(file: string, make: (partial: string) => Promise<void>): Promise<void> {
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`;
  const remove = (): void => rmSync(partial, { force: true });
  const end = (signal: NodeJS.Signals): void => {
    remove();
    process.off(signal, end).kill(process.pid, signal);
  };
  process.once('exit', remove);
  for (const signal of ENDING) process.on(signal, end);
  try {
    await make(partial);
    renameSync(partial, file);
  } finally {
    remove();
    process.off('exit', remove);
    for (const signal of ENDING) process.off(signal, end);
  }
}
