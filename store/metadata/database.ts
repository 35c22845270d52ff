import { CasError, isCasError } from '../errors.js';
import { Lane } from '../lane.js';
import type { Report, StoreEvent } from '../report.js';
import { failureOf } from './failure.js';
import { moveAside } from './move-aside.js';
import { createSession, openSession, type Operation, type Row, type Session } from './session.js';
import { WaitingBatches } from './waiting-batches.js';

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
  readonly #lane = new Lane();
  readonly #waiting = new WaitingBatches();
  #session: Session | undefined;
  /** Why the database on the disk must be moved aside, once that is known. */
  #condemned: CasError | undefined;
  /** Counts the databases that were made. */
  #generation = 0;
  #rebuilding: Promise<void> | undefined;
  /** Whether it failed and has not been written since, so that only the first failure is reported. */
  #failing = false;

  constructor(path: string, options: DatabaseOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Opens the database, or begins to build it, in the background; its rows are not scanned. What goes wrong is reported. */
  open(): void {
    this.#current().catch(() => undefined);
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
    } catch (error) {
      session.scanned = undefined;
      const failure = this.#failureOf(error, 'reading');
      // One that was dropped meanwhile fails because it is not open.
      if (session !== this.#session) return false;
      if (failure.code !== 'METADATA_DAMAGED') throw this.#failed(failure);
      await this.#lane.run(() => this.#replace(session, failure));
      return false;
    }
    return true;
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
   * The values of rows, undefined where there is none, at a fifth of the cost of asking for each. It may fail to see a
   * row whose table is damaged, or see an older value: for what is compared with something else before it is used.
   * @throws CasError METADATA_DAMAGED, METADATA_UNAVAILABLE
   */
  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    const session = await this.#current();
    return session.getMany(keys).catch((error: unknown) => {
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
  batch(operations: readonly Operation[]): Promise<void> {
    const written = this.#waiting.add(operations);
    void this.#lane.run(() => this.#waiting.writeNext((group) => this.#write(group)));
    return written;
  }

  /** Ends all work. A rebuild that is under way starts again when the database is next opened. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#rebuilding;
    await this.#lane.run(() => this.#drop());
  }

  #failureOf(error: unknown, doing: 'reading' | 'writing'): CasError {
    return failureOf(error, doing, this.#path);
  }

  #readFailed(session: Session, error: unknown): CasError {
    const failure = this.#failureOf(error, 'reading');
    if (failure.code === 'METADATA_DAMAGED') void this.#lane.run(() => this.#replace(session, failure));
    return failure;
  }

  async #current(): Promise<Session> {
    return this.#session ?? this.#lane.run(() => this.#open());
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
      const fields = { code, errno, expected, found, moved };
      this.#tell('warn', 'the metadata database was damaged and is rebuilt', fields);
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
      if (failure.code === 'METADATA_DAMAGED') {
        await this.#replace(session, failure);
        throw failure;
      }
      await this.#drop();
      throw this.#failed(failure);
    }
    if (!this.#failing) return;
    this.#failing = false;
    this.#tell('info', 'the metadata database works again', {});
  }

  #failed(failure: CasError): CasError {
    if (this.#failing || this.#ending.signal.aborted) return failure;
    this.#failing = true;
    const { code, errno, message: error } = failure;
    this.#tell('error', 'the metadata database cannot be used', { code, errno, error });
    return failure;
  }

  #tell(level: StoreEvent['level'], message: string, fields: StoreEvent['fields']): void {
    this.#options.report({ level, message, fields: { subject: this.#path, ...fields } });
  }

  // Rebuilding is done beside the lane, and its batches in it.

  #rebuild(): void {
    if (this.#ending.signal.aborted) return;
    this.#rebuilding ??= this.#rebuildUntilWhole()
      .catch((error: unknown) => {
        if (this.#ending.signal.aborted || isCasError(error, 'METADATA_UNAVAILABLE')) return;
        const message = error instanceof Error ? error.message : String(error);
        this.#tell('error', 'the metadata database is not rebuilt', { error: message });
      })
      .finally(() => (this.#rebuilding = undefined));
  }

  /** A database that takes the place of the one being built must be built from the start. */
  async #rebuildUntilWhole(): Promise<void> {
    const began = performance.now();
    for (let done = false; !done;) {
      const generation = this.#generation;
      await this.#options.rebuild((operations) => this.batch(operations), this.#ending.signal);
      done = await this.#lane.run(async () => {
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
    const rows = this.#session?.rows ?? 0;
    const milliseconds = Math.round(performance.now() - began);
    if (rows > 0) this.#tell('info', 'the metadata database is built', { rows, milliseconds });
  }
}
