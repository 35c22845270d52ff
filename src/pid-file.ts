import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Failure, messageOf, MOUNT_EXIT } from './failure.js';

/**
 * Writes our process id to `file`.
 * @returns what removes it again, unless another process has put its own there meanwhile
 * @throws Failure naming the file
 */
export function writePidFile(file: string): () => void {
  const line = `${process.pid}\n`;
  try {
    writeFileSync(file, line);
  } catch (error) {
    throw new Failure(
      MOUNT_EXIT.system,
      `${file}: the pid file cannot be written: ${messageOf(error)}`,
      error,
    );
  }
  return () => {
    try {
      if (readFileSync(file, 'utf8') === line) rmSync(file);
    } catch {
      // Gone already, or not ours to remove: then nobody takes it for ours.
    }
  };
}
