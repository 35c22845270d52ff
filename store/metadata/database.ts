import { CasError, type ErrorCode } from '../errors.js';
import type { Report } from '../report.js';
import { failureOf } from './failure.js';
import { moveAside } from './move-aside.js';
import { createSession, openSession, type Operation, type Row, type Session } from './session.js';

export type { Operation, Row } from './session.js';

/** Writes rows; settles when they are on the disk. */
export type Write = (operations: readonly Operation[]) => Promise<void>;

export interface DatabaseOptions {
  /** Where damaged databases are moved. */
  readonly damaged: string;
  /** What the rows are of, and in which form. A database of anything else is made anew. */
  readonly contents: string;
  /**
   * Writes all rows there must be into a new database, from what they were derived from. Batches that were
   * acknowledged before it is called may have gone with the old one; those that come meanwhile are kept.
   */
  readonly rebuild: (write: Write, signal: AbortSignal) => Promise<void>;
  readonly report: Report;
}

/** Waiting batches are written together up to so many operations or bytes. */
const GROUP = { operations: 2000, bytes: 1 << 20 };

interface Request {
  readonly operations: readonly Operation[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * A LevelDB database of rows that can be derived from the store's files again. It is trusted no further than it can be
 * checked: every value has a checksum, every batch a number that a witness outside confirms, all rows a ledger. What
 * is damaged is moved aside, reported, and made anew. Nothing is read or made before it is first used or started.
 *
 * One of these may be open at a time for a directory, and the store's lock sees to that.
 */
export class Database {
  readonly #path: string;
  readonly #options: DatabaseOptions;
  readonly #ending = new AbortController();
  /** Opening, writing, replacing and closing, one after the other. */
  #lane: Promise<unknown> = Promise.resolve();
  #waiting: Request[] = [];
  #session: Session | undefined;
  /** Why the database on the disk must be moved aside, once that is known. */
  #condemned: CasError | undefined;
  /** Counts the databases that were made. */
  #generation = 0;
  #rebuilding: Promise<void> | undefined;
  /** Whether the last write failed, so that only the first failure is reported. */
  #failing = false;

  constructor(path: string, options: DatabaseOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Opens the database and checks or builds it, in the background. What goes wrong is reported. */
  start(): void {
    this.whole().catch(() => undefined);
  }

  /**
   * Whether all rows are there. Waits for the scan of the rows, which each opening needs: a table may have been
   * damaged while nobody had it open, however well it was closed. False while they are being rebuilt.
   */
  async whole(): Promise<boolean> {
    const session = await this.#current();
    if (!session.whole) {
      this.#rebuild();
      return false;
    }
    session.scanned ??= session.scan();
    try {
      await session.scanned;
      return true;
    } catch (error) {
      session.scanned = undefined;
      const failure = this.#failureOf(error, 'reading');
      if (failure.code !== 'METADATA_DAMAGED') throw failure;
      await this.#serially(() => this.#replace(session, failure));
      return false;
    }
  }

  /**
   * The value of a row; undefined where there is none.
   * @throws CasError METADATA_DAMAGED, METADATA_UNAVAILABLE
   */
  async get(key: Buffer): Promise<Buffer | undefined> {
    const session = await this.#current();
    return session.get(key).catch((error: unknown) => {
      throw this.#readFailed(session, error);
    });
  }

  /**
   * The rows whose keys begin with `prefix` as they are at the first one, in batches and in the order of their keys.
   * @throws CasError METADATA_DAMAGED, METADATA_UNAVAILABLE
   */
  async *iterate(prefix: Buffer): AsyncGenerator<Row[]> {
    const session = await this.#current();
    try {
      yield* session.iterate(prefix);
    } catch (error) {
      throw this.#readFailed(session, error);
    }
  }

  /**
   * Does all or none of the operations; they are on the disk when it settles.
   * @throws CasError METADATA_UNAVAILABLE with the system's errno. They may be done all the same.
   */
  async batch(operations: readonly Operation[]): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ operations, resolve, reject });
    });
    void this.#serially(() => this.#writeWaiting());
    return done;
  }

  /** Ends all work. A rebuild that is under way starts again when the database is next opened. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#rebuilding;
    await this.#serially(() => this.#drop());
  }

  #serially<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#lane.then(action);
    this.#lane = result.catch(() => undefined);
    return result;
  }

  #failureOf(error: unknown, doing: 'reading' | 'writing'): CasError {
    return failureOf(error, doing, this.#path);
  }

  #readFailed(session: Session, error: unknown): CasError {
    const failure = this.#failureOf(error, 'reading');
    if (failure.code === 'METADATA_DAMAGED') void this.#serially(() => this.#replace(session, failure));
    return failure;
  }

  async #current(): Promise<Session> {
    return this.#session ?? this.#serially(() => this.#open());
  }

  // What follows is done in the lane.

  async #open(): Promise<Session> {
    if (this.#session) return this.#session;
    if (this.#ending.signal.aborted)
      throw new CasError('METADATA_UNAVAILABLE', { subject: this.#path, found: 'it closed' });
    try {
      this.#session = (await this.#openExisting()) ?? (await this.#create());
    } catch (error) {
      throw this.#failed(this.#failureOf(error, 'writing'));
    }
    if (!this.#session.whole) this.#rebuild();
    return this.#session;
  }

  async #openExisting(): Promise<Session | undefined> {
    if (this.#condemned) return undefined;
    try {
      return await openSession(this.#path, this.#options.contents);
    } catch (error) {
      const failure = this.#failureOf(error, 'reading');
      if (failure.code !== 'METADATA_DAMAGED') throw failure;
      this.#condemned = failure;
      return undefined;
    }
  }

  async #create(): Promise<Session> {
    if (this.#condemned) {
      const { code, errno, expected, found } = this.#condemned;
      const moved = await moveAside(this.#path, this.#options.damaged);
      this.#condemned = undefined;
      const fields = { code, errno, subject: this.#path, expected, found, moved };
      this.#options.report({
        level: 'warn',
        message: 'the metadata database was damaged and is rebuilt',
        fields,
      });
    }
    const session = await createSession(this.#path, this.#options.contents);
    this.#generation++;
    return session;
  }

  async #replace(session: Session, why: CasError): Promise<void> {
    if (session !== this.#session) return;
    await this.#drop();
    this.#condemned = why;
    await this.#open().catch(() => undefined);
  }

  async #drop(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close().catch(() => undefined);
  }

  async #writeWaiting(): Promise<void> {
    const group = takeGroup(this.#waiting);
    if (group.length === 0) return;
    try {
      await this.#write(lastOfEachKey(group.flatMap(({ operations }) => operations)));
      for (const { resolve } of group) resolve();
    } catch (error) {
      for (const { reject } of group) reject(error as CasError);
    }
  }

  async #write(operations: readonly Operation[]): Promise<void> {
    try {
      await this.#writeOnce(operations);
    } catch (error) {
      if (!isCasError(error, 'METADATA_DAMAGED')) throw error;
      await this.#writeOnce(operations);
    }
  }

  /**
   * After any error of a write the database is opened again before the next one. LevelDB 1.20 would go on and
   * acknowledge: records behind one that a full disk cut short cannot be read back (50 of 50 were lost).
   */
  async #writeOnce(operations: readonly Operation[], whole?: true): Promise<void> {
    const session = await this.#open();
    try {
      await session.write(operations, whole);
    } catch (error) {
      const failure = this.#failureOf(error, 'writing');
      if (failure.code === 'METADATA_DAMAGED') await this.#replace(session, failure);
      else await this.#drop();
      throw this.#failed(failure);
    }
    if (this.#failing)
      this.#options.report({
        level: 'info',
        message: 'the metadata database works again',
        fields: { subject: this.#path },
      });
    this.#failing = false;
  }

  #failed(failure: CasError): CasError {
    if (this.#failing || failure.code !== 'METADATA_UNAVAILABLE') return failure;
    this.#failing = true;
    const { code, errno, subject, message: error } = failure;
    const message = 'the metadata database cannot be written';
    this.#options.report({ level: 'error', message, fields: { code, errno, subject, error } });
    return failure;
  }

  // Rebuilding is done beside the lane, and its batches in it.

  #rebuild(): void {
    if (this.#ending.signal.aborted) return;
    this.#rebuilding ??= this.#rebuildUntilWhole()
      .catch((error: unknown) => {
        if (this.#ending.signal.aborted || isCasError(error, 'METADATA_UNAVAILABLE')) return;
        const fields = { subject: this.#path, error: error instanceof Error ? error.message : String(error) };
        this.#options.report({ level: 'error', message: 'the metadata database is not rebuilt', fields });
      })
      .finally(() => (this.#rebuilding = undefined));
  }

  /** A database that takes the place of the one being built must be built from the start. */
  async #rebuildUntilWhole(): Promise<void> {
    const { rebuild, report } = this.#options;
    const began = performance.now();
    for (let done = false; !done;) {
      const generation = this.#generation;
      await rebuild((operations) => this.batch(operations), this.#ending.signal);
      done = await this.#serially(async () => {
        this.#ending.signal.throwIfAborted();
        await this.#open();
        if (generation !== this.#generation) return false;
        return this.#writeOnce([], true).then(
          () => true,
          (error: unknown) => {
            if (isCasError(error, 'METADATA_DAMAGED')) return false;
            throw error;
          },
        );
      });
    }
    const fields = {
      subject: this.#path,
      rows: this.#session?.rows,
      milliseconds: Math.round(performance.now() - began),
    };
    report({ level: 'info', message: 'the metadata database is built', fields });
  }
}

function isCasError(error: unknown, code: ErrorCode): boolean {
  return error instanceof CasError && error.code === code;
}

function takeGroup(waiting: Request[]): Request[] {
  let [operations, bytes, count] = [0, 0, 0];
  for (const request of waiting) {
    operations += request.operations.length;
    for (const { key, value } of request.operations) bytes += key.length + (value?.length ?? 0);
    if (count > 0 && (operations > GROUP.operations || bytes > GROUP.bytes)) break;
    count++;
  }
  return waiting.splice(0, count);
}

function lastOfEachKey(operations: readonly Operation[]): Operation[] {
  return [...new Map(operations.map((operation) => [operation.key.toString('latin1'), operation])).values()];
}
