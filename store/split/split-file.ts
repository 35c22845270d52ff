import { constants } from 'node:fs';
import { crc32 } from 'node:zlib';
import { CasError } from '../errors.js';
import { close, open, read, writeAll } from '../files.js';
import { type Chunk, endOf, type PlacedRecord, readChunk } from './chunk.js';
import { decodeIndex, encodeIndex, type SplitIndex } from './split-index.js';

/*
 * All of a split tar in one file: a magic, the chunks, each after its length (4 bytes, big endian), a length of 0, the
 * index after its length, and the CRC-32 of all that.
 */
const MAGIC = Buffer.from('cas-split 1\n');
/** More than a chunk or an index can have. */
const LONGEST = 128 << 20;
/** How much is read at a time. */
const WINDOW = 1 << 20;

/** A split file that is being written. */
export class SplitFileWriter {
  readonly #fd: number;
  #size = 0;
  #checksum = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Appends a chunk, in the order of the tar. To be waited for before the next. @throws the system's error */
  async add({ bytes }: Chunk): Promise<void> {
    if (this.#size === 0) await this.#append(MAGIC);
    await this.#append(lengthOf(bytes), bytes);
  }

  /** Ends the file and closes it. It is not synced. @throws the system's error */
  async finish(index: SplitIndex): Promise<void> {
    if (this.#size === 0) await this.#append(MAGIC);
    const bytes = encodeIndex(index);
    await this.#append(lengthOf(Buffer.of()), lengthOf(bytes), bytes);
    await this.#append(numberOf(this.#checksum));
    await this.close();
  }

  /** Closes a file that is given up. */
  close(): Promise<void> {
    return close(this.#fd);
  }

  async #append(...parts: Buffer[]): Promise<void> {
    const bytes = Buffer.concat(parts);
    await writeAll(this.#fd, bytes, this.#size);
    this.#size += bytes.length;
    this.#checksum = crc32(bytes, this.#checksum);
  }
}

/** Makes a split file, which must not be there yet. */
export async function createSplitFile(path: string): Promise<SplitFileWriter> {
  return new SplitFileWriter(await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL));
}

/** A chunk of a split file with its records. */
export interface ReadChunk extends Chunk {
  readonly records: PlacedRecord[];
}

/**
 * The chunks of a split file, and at the end its index. What was given before an error is not to be trusted further
 * than the chunks go.
 * @throws CasError LAYER_DAMAGED; the system's error
 */
export async function* readSplitChunks(path: string): AsyncGenerator<ReadChunk, SplitIndex> {
  const fd = await open(path, constants.O_RDONLY);
  try {
    return yield* chunksIn(new Source(fd, path), path);
  } finally {
    await close(fd);
  }
}

/** The records of a split file. @throws as {@link readSplitChunks} */
export async function* readSplitFile(path: string): AsyncGenerator<PlacedRecord> {
  for await (const { records } of readSplitChunks(path)) yield* records;
}

async function* chunksIn(source: Source, path: string): AsyncGenerator<ReadChunk, SplitIndex> {
  if (!(await source.take(MAGIC.length)).equals(MAGIC)) throw damaged(path, 'no split file of version 1');
  const offsets: number[] = [];
  let [size, entries] = [0, 0];
  for (let length = await source.length(); length > 0; length = await source.length()) {
    const bytes = await source.take(length);
    const records = await readChunk(bytes);
    const [first, last] = [records[0], records.at(-1)];
    if (first?.tarOffset !== size) throw damaged(path, 'a chunk that is out of its place');
    offsets.push(size);
    if (last) size = endOf(last);
    entries += records.filter(({ entry }) => entry).length;
    yield { tarOffset: first.tarOffset, bytes, records };
  }
  const stored = await source.take(await source.length());
  const index = { size, entries, offsets };
  if (!stored.equals(encodeIndex(index))) {
    decodeIndex(stored);
    throw damaged(path, 'the index of another tar');
  }
  const { checksum } = source;
  if ((await source.take(4)).readUInt32BE() !== checksum) throw damaged(path, 'a wrong checksum');
  if (!(await source.ended())) throw damaged(path, 'bytes after the end');
  return index;
}

/** A file that is read from its beginning to its end. */
class Source {
  /** The CRC-32 of what was taken. */
  checksum = 0;
  readonly #fd: number;
  readonly #path: string;
  #buffer = Buffer.alloc(0);
  #offset = 0;

  constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  /** The next bytes. */
  async take(length: number): Promise<Buffer> {
    while (this.#buffer.length < length) {
      if (!(await this.#more())) throw damaged(this.#path, 'an end before its time');
    }
    const bytes = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    this.checksum = crc32(bytes, this.checksum);
    return bytes;
  }

  async length(): Promise<number> {
    const length = (await this.take(4)).readUInt32BE();
    if (length > LONGEST) throw damaged(this.#path, 'a chunk that is too long');
    return length;
  }

  async ended(): Promise<boolean> {
    return this.#buffer.length === 0 && !(await this.#more());
  }

  async #more(): Promise<boolean> {
    const window = Buffer.allocUnsafe(WINDOW);
    const size = await read(this.#fd, window, this.#offset);
    this.#offset += size;
    const bytes = window.subarray(0, size);
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    return size > 0;
  }
}

const lengthOf = (bytes: Buffer): Buffer => numberOf(bytes.length);

function numberOf(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function damaged(subject: string, found: string): CasError {
  return new CasError('LAYER_DAMAGED', { subject, found });
}
