import { pack, type Pack } from 'tar-stream';

/** So that the same images give the same archive. */
const MTIME = new Date(0);

/** Takes the files of an archive, one after the other. */
export interface ArchiveWriter {
  directory(name: string): void;
  /** Settles when the reader has taken most of it. @throws what the bytes throw, and where they are not `size` */
  file(name: string, size: number, bytes: AsyncIterable<Buffer>): Promise<void>;
  text(name: string, text: Buffer): void;
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
  readonly #tar: Pack;

  constructor(tar: Pack) {
    this.#tar = tar;
  }

  directory(name: string): void {
    this.#tar.entry({ name, type: 'directory', mode: 0o755, mtime: MTIME });
  }

  text(name: string, text: Buffer): void {
    this.#tar.entry({ name, mode: 0o644, mtime: MTIME }, text);
  }

  async file(name: string, size: number, bytes: AsyncIterable<Buffer>): Promise<void> {
    const entry = this.#tar.entry({ name, size, mode: 0o644, mtime: MTIME });
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
