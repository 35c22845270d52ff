import { safeJson } from '../json.js';
import { CasError } from '../errors.js';
import type { EntryType, TarEntry } from '../tar/entry.js';
import { TarFramer } from '../tar/framer.js';
import type { TarSink } from '../tar/sink.js';

/** An entry of an archive. */
export interface ArchiveFile {
  /** Its path in the archive, without `.` and doubled slashes. */
  readonly name: string;
  readonly type: EntryType;
  /** The target of a link, as it stands there. */
  readonly target: string;
  readonly size: number;
  /** What is not read of them is passed over with the next entry. They are good until the next are asked for. */
  readonly bytes: AsyncGenerator<Buffer, void>;
}

/** What comes out of a tar, in its order. */
type Event = TarEntry | Buffer;

/**
 * The entries of a tar, which is read as they are asked for. `recycle` is given each chunk that nobody needs any more.
 * @throws CasError LAYER_INVALID, LAYER_TOO_LARGE where it is no tar; ARCHIVE_INVALID for names that lead out of it
 */
export async function* archiveFiles(
  chunks: AsyncIterable<Buffer>,
  recycle?: (chunk: Buffer) => void,
): AsyncGenerator<ArchiveFile, void> {
  const events = eventsOf(chunks, recycle);
  try {
    let data = new Data(events);
    for (let entry = await data.rest(); entry; entry = await data.rest()) {
      data = new Data(events);
      yield fileOf(entry, data);
    }
  } finally {
    await events.return();
  }
}

/** What follows an entry, up to the next one. */
class Data {
  readonly #events: AsyncGenerator<Event, void>;
  #next: TarEntry | undefined;
  #ended = false;

  constructor(events: AsyncGenerator<Event, void>) {
    this.#events = events;
  }

  async *bytes(): AsyncGenerator<Buffer, void> {
    for (let chunk = await this.#chunk(); chunk; chunk = await this.#chunk()) yield chunk;
  }

  /** Passes over what was not read. @returns the next entry */
  async rest(): Promise<TarEntry | undefined> {
    while (await this.#chunk());
    return this.#next;
  }

  async #chunk(): Promise<Buffer | undefined> {
    if (this.#ended) return undefined;
    const { value } = await this.#events.next();
    if (value instanceof Buffer) return value;
    this.#ended = true;
    this.#next = value as TarEntry | undefined;
    return undefined;
  }
}

function fileOf({ name: raw, type, linkName, size, sparse }: TarEntry, data: Data): ArchiveFile {
  const name = textOf(raw);
  if (sparse) throw new CasError('ARCHIVE_INVALID', { subject: safeJson(name), found: 'a sparse file' });
  return { name: pathOf(name), type, target: textOf(linkName), size, bytes: data.bytes() };
}

function textOf(name: string): string {
  return Buffer.from(name, 'latin1').toString();
}

/**
 * A path in an archive without `.` and doubled slashes.
 * @throws CasError ARCHIVE_INVALID where it leads out of the archive
 */
export function pathOf(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0'))
    throw new CasError('ARCHIVE_INVALID', {
      subject: safeJson(name.slice(0, 200)),
      expected: 'a path in the archive',
    });
  return parts.join('/');
}

async function* eventsOf(
  chunks: AsyncIterable<Buffer>,
  recycle?: (chunk: Buffer) => void,
): AsyncGenerator<Event, void> {
  const sink = new Events();
  const framer = new TarFramer(sink);
  for await (const chunk of chunks) {
    framer.push(chunk);
    yield* sink.take();
    recycle?.(chunk);
  }
  framer.end();
  yield* sink.take();
}

class Events implements TarSink {
  #events: Event[] = [];

  take(): Event[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  raw(): void {
    // Headers and padding.
  }

  entry(entry: TarEntry): void {
    this.#events.push(entry);
  }

  data(bytes: Buffer): void {
    this.#events.push(bytes);
  }

  dataEnd(): void {
    // The next entry says so, or the end.
  }
}
