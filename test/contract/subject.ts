import type { Algorithm } from '../../store/digest.js';

/** What a subject tells of an ingest. Times are RFC 3339. */
export interface IngestView {
  readonly size: number;
  /** How many bytes from the start have a known digest. */
  readonly offset: number;
  /** The digest of those bytes. */
  readonly digest: string;
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly total?: number | undefined;
  readonly expected?: string | undefined;
  /** Why the last commit was refused. */
  readonly error?: string | undefined;
}

/** What a subject tells of a blob. */
export interface BlobView {
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Nanoseconds since the epoch. */
  readonly mtime: bigint;
  readonly ctime: bigint;
}

/** An ingest that is open for writing. */
export interface Writer {
  /** Writes all of `data`. */
  write(data: Uint8Array, offset: number): Promise<void>;
  /** Writes `data` at the end. */
  append(data: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What is declared of an ingest; undefined withdraws it. */
export interface Declaration {
  readonly total?: number | undefined;
  readonly expected?: string | undefined;
}

/**
 * A store as the contract sees it, however it is reached. Every method fails with an error from which
 * `errnoNameOf` reads the errno.
 */
export interface Subject {
  /** Opens a ref for writing, made where there is none; `truncate` empties it. */
  write(ref: string, how?: 'keep' | 'truncate'): Promise<Writer>;
  status(ref: string): Promise<IngestView>;
  /** The refs of all ingests. */
  list(): Promise<string[]>;
  readIngest(ref: string): Promise<Buffer>;
  declare(ref: string, declaration: Declaration): Promise<void>;
  move(ref: string, to: string): Promise<void>;
  abort(ref: string): Promise<void>;
  /** Renames the ingest to its digest. */
  commit(ref: string, digest: string): Promise<void>;
  /** Gives the ingest its digest as a second name. */
  link(ref: string, digest: string): Promise<void>;
  /** The hex digits of all blobs of an algorithm. */
  blobs(algorithm: Algorithm): Promise<string[]>;
  blob(digest: string): Promise<BlobView>;
  /** At most `length` bytes of a blob from `offset` on. */
  readBlob(digest: string, length?: number, offset?: number): Promise<Buffer>;
  removeBlob(digest: string): Promise<void>;
  labels(digest: string): Promise<Record<string, string>>;
  setLabel(digest: string, key: string, value: string): Promise<void>;
  removeLabel(digest: string, key: string): Promise<void>;
  /** Ends whatever serves the store and starts it again. */
  restart(): Promise<void>;
}
