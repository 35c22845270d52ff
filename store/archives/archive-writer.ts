import { type Header, pack, type Pack } from 'tar-stream';

/** Takes the files of an archive, one after the other. */
export interface ArchiveWriter {
  /** Whether the size of a file has to be known before its bytes. */
  readonly sizesFirst: boolean;
  directory(name: string): void | Promise<void>;
  text(name: string, text: Buffer): void | Promise<void>;
  /**
   * Settles when most of it has been taken. A chunk is done with when the next is asked for, but where sizes come first.
   * @throws what the bytes throw, and where they are not `size`, which is known where {@link sizesFirst}
   */
  file(name: string, size: number | undefined, bytes: AsyncIterable<Buffer>): Promise<void>;
}

/** What a header is made of. */
export type Head = Partial<Header> & Pick<Header, 'name'>;

/** That of a file of an archive: with one time, so that the same images give the same archive. */
export function fileHeader(name: string, size: number): Head {
  return { name, size, mode: 0o644, mtime: new Date(0) };
}

/** That of a directory. */
export function directoryHeader(name: string): Head {
  return { name, type: 'directory', mode: 0o755, mtime: new Date(0) };
}

/**
 * The bytes of a tar that `write` makes while they are read.
 * @throws what `write` throws
 */
export async function* archive(write: (to: ArchiveWriter) => Promise<void>): AsyncGenerator<Buffer, void> {
  const tar = pack();
  const written = write(new Writer(tar)).then(
    () => tar.finalize(),
    (error: unknown) => {
      tar.destroy(error as Error);
    },
  );
  try {
    for await (const chunk of tar as AsyncIterable<Buffer>) yield chunk;
  } finally {
    tar.destroy();
    await written;
  }
}

/** Bytes of headers and padding that a tar of files of these sizes has beside them; names beyond 100 bytes are not counted. */
export function tarSize(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + 512 + Math.ceil(size / 512) * 512, 1024);
}

class Writer implements ArchiveWriter {
  readonly sizesFirst = true;
  readonly #tar: Pack;

  constructor(tar: Pack) {
    this.#tar = tar;
  }

  directory(name: string): void {
    this.#tar.entry(directoryHeader(name));
  }

  text(name: string, text: Buffer): void {
    this.#tar.entry(fileHeader(name, text.length), text);
  }

  async file(name: string, size = 0, bytes: AsyncIterable<Buffer>): Promise<void> {
    const entry = this.#tar.entry(fileHeader(name, size));
    // What is wrong with an entry ends the whole.
    entry.on('error', () => undefined);
    for await (const chunk of bytes) {
      // One that is destroyed takes nothing and tells nothing any more.
      if (entry.destroyed) return;
      if (!entry.write(chunk)) await either(entry, 'drain', 'close');
    }
    entry.end(undefined);
    if (!entry.destroyed) await either(entry, 'finish', 'close');
  }
}

/** Settles with the first of two events. */
function either(emitter: NodeJS.EventEmitter, ...events: readonly [string, string]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) emitter.off(event, done);
      resolve();
    };
    for (const event of events) emitter.once(event, done);
  });
}
