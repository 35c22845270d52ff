import type { Ingest } from '../store/ingest/ingest.js';
import { type Awaitable, type FileHandle, type OpenMode, UNCACHED, type Written } from './node.js';

/** An ingest that is open for reading. It sees the bytes so far, and goes on seeing them after a commit. */
export async function readIngest(ingest: Ingest): Promise<FileHandle> {
  ingest.retain();
  try {
    await ingest.open();
  } catch (error) {
    ingest.release();
    throw error;
  }
  return {
    mode: UNCACHED,
    read: (into, offset) => ingest.read(into, offset),
    sync: () => ingest.persist(),
    release: () => ingest.release(),
  };
}

/** An ingest that is open for writing: it holds the ingest's lock until it is released. */
export class IngestWriter implements FileHandle {
  readonly mode: OpenMode;
  readonly ingest: Ingest;

  /** Takes over the lock that the caller has just got. */
  constructor(ingest: Ingest, mode = UNCACHED) {
    this.ingest = ingest;
    this.mode = mode;
  }

  read(into: Uint8Array, offset: number): Promise<number> {
    return this.ingest.read(into, offset);
  }

  write(data: Uint8Array, offset: number): Promise<Written> {
    return this.ingest.write(data, offset);
  }

  sync(): Promise<void> {
    return this.ingest.persist();
  }

  release(): Awaitable<void> {
    this.ingest.unlock();
  }
}
