import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Failure, TOOL_EXIT } from '../failure.js';
import { plainPath, replaceFile } from './replace-file.js';

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
  const path = plainPath(file);
  if (path === undefined)
    await pipeline(Readable.from(bytes, { objectMode: false }), createWriteStream(file));
  else await replaceFile(path, (partial) => writeNew(bytes, partial));
}

/** Writes bytes to a file that is not there yet. */
export async function writeNew(bytes: AsyncIterable<Buffer>, file: string): Promise<void> {
  await pipeline(Readable.from(bytes, { objectMode: false }), createWriteStream(file, { flags: 'wx' }));
}
