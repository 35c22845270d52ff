import { once } from 'node:events';
import { pack } from 'tar-stream';
import { CasError } from '../errors.js';
import { ftruncate, writeAll } from '../files.js';
import { foreign } from '../foreign.js';
import type { Progress } from '../layers/split-tar.js';
import { type ArchiveWriter, directoryHeader, fileHeader, type Head } from './archive-writer.js';

/** A tar ends with two blocks of zeros. */
const BLOCK = 512;
const TRAILER = 2 * BLOCK;

/** How an archive is written to a file. */
export interface FileOptions {
  /** Bytes, where they are known. */
  readonly total: number | undefined;
  readonly progress: ((progress: Progress) => void) | undefined;
}

/**
 * Writes to an empty file the same bytes that {@link archive} gives. The header of a file comes after its bytes: what is
 * cut short has none for its last.
 * @returns the bytes of the whole
 * @throws what `write` throws; the system's error
 */
export async function writeArchive(
  fd: number,
  write: (to: ArchiveWriter) => Promise<void>,
  options: FileOptions,
): Promise<number> {
  const writer = new FileWriter(fd, options);
  await write(writer);
  return writer.end();
}

class FileWriter implements ArchiveWriter {
  readonly sizesFirst = false;
  readonly #fd: number;
  readonly #options: FileOptions;
  /** Where the next entry begins. */
  #end = 0;
  #written = 0;
  #entries = 0;

  constructor(fd: number, options: FileOptions) {
    this.#fd = fd;
    this.#options = options;
  }

  async directory(name: string): Promise<void> {
    await this.#entry(await bytesOf(directoryHeader(name)));
  }

  async text(name: string, text: Buffer): Promise<void> {
    await this.#entry(Buffer.concat([await bytesOf(fileHeader(name, text.length)), text]));
  }

  async file(name: string, size: number | undefined, bytes: AsyncIterable<Buffer>): Promise<void> {
    const start = this.#end + (await bytesOf(fileHeader(name, 0))).length;
    let at = start;
    for await (const chunk of bytes) {
      await this.#write(chunk, at);
      at += chunk.length;
    }
    const found = at - start;
    if (size !== undefined && size !== found)
      throw new CasError('SIZE_MISMATCH', { subject: name, expected: size, found });
    await this.#entry(await bytesOf(fileHeader(name, found)), found);
  }

  async end(): Promise<number> {
    const size = this.#end + TRAILER;
    await foreign(() => ftruncate(this.#fd, size));
    return size;
  }

  /** Writes the beginning of an entry, which `more` bytes follow, and goes on after it. */
  async #entry(bytes: Buffer, more = 0): Promise<void> {
    this.#entries++;
    await this.#write(bytes, this.#end);
    this.#end += Math.ceil((bytes.length + more) / BLOCK) * BLOCK;
  }

  async #write(bytes: Buffer, offset: number): Promise<void> {
    await foreign(() => writeAll(this.#fd, bytes, offset));
    this.#written += bytes.length;
    const { total, progress } = this.#options;
    progress?.({ bytes: this.#written, total, entries: this.#entries });
  }
}

/** A header as bytes; more than one block for a name beyond 100 bytes. */
async function bytesOf(header: Head): Promise<Buffer> {
  const tar = pack();
  const ignore = (): void => undefined;
  // It ends before its bytes have come.
  tar.on('error', ignore).entry(header).on('error', ignore);
  try {
    await once(tar, 'readable');
    const blocks: Buffer[] = [];
    for (let block = tar.read() as Buffer | null; block; block = tar.read() as Buffer | null)
      blocks.push(block);
    return Buffer.concat(blocks);
  } finally {
    tar.destroy();
  }
}
