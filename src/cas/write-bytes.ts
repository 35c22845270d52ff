import { randomBytes } from 'node:crypto';
import { createWriteStream, realpathSync, rmSync, statSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Failure, TOOL_EXIT } from '../failure.js';

/** Signals that end a program without its exit handlers. */
const ENDING = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Writes bytes to a file, or to standard output. A file has its name only when all of it is there without an error.
 * @param what they are
 * @throws Failure where standard output is a terminal; what the bytes throw; the system's error
 */
export async function writeBytes(
  bytes: AsyncIterable<Buffer>,
  file: string | undefined,
  what: string,
): Promise<void> {
  if (file === undefined) {
    if (process.stdout.isTTY)
      throw new Failure(TOOL_EXIT.usage, `${what} is not for a terminal: name a file with -o, or redirect`);
    await pipeline(Readable.from(bytes, { objectMode: false }), process.stdout, { end: false });
    return;
  }
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || stats.isFile()) {
    await replace(bytes, stats === undefined ? file : realpathSync(file));
    return;
  }
  await pipeline(Readable.from(bytes, { objectMode: false }), createWriteStream(file));
}

async function replace(bytes: AsyncIterable<Buffer>, file: string): Promise<void> {
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`;
  const remove = (): void => rmSync(partial, { force: true });
  const end = (signal: NodeJS.Signals): void => {
    remove();
    process.off(signal, end).kill(process.pid, signal);
  };
  process.once('exit', remove);
  for (const signal of ENDING) process.on(signal, end);
  try {
    await pipeline(Readable.from(bytes, { objectMode: false }), createWriteStream(partial, { flags: 'wx' }));
    await rename(partial, file);
  } finally {
    remove();
    process.off('exit', remove);
    for (const signal of ENDING) process.off(signal, end);
  }
}
