import { join } from 'node:path';
import type { Blobs } from '../blobs.js';
import { type Claim, commit } from '../commit.js';
import type { Algorithm } from '../digest.js';
import type { Durability } from '../durability.js';
import { CasError } from '../errors.js';
import { tellsWriters } from '../lease.js';
import { parentOf, type Ref } from '../ref.js';
import { algorithmFor } from './algorithm-for.js';
import { DataFile } from './data-file.js';
import { Directories } from './directories.js';
import { expire, expireDirectories } from './expire.js';
import { createFresh } from './fresh.js';
import { Ingest } from './ingest.js';
import { DEFAULTS, type IngestsOptions } from './ingests-options.js';
import { loadRecords } from './load-records.js';
import { mayBeLent, requireOurs } from './loan.js';
import { type Named, Names } from './names.js';
import { type IngestRecord, moveRecord, removeRecord } from './record.js';
import { SharedDirectories } from './shared-directories.js';
import type { IngestStatus } from './status.js';

export type { IngestsOptions, Named };

/** The ingests of a store, by ref, and the directories they are in. */
export class Ingests {
  readonly #root: string;
  readonly #blobs: Blobs;
  readonly #durability: Durability;
  readonly #options: Required<IngestsOptions>;
  readonly #openedAt = new Date();
  readonly #directories: Directories;
  readonly #shared: SharedDirectories;
  readonly #names = new Names();
  /** The ingests without a directory: those that are likely to be committed soon. */
  readonly #fresh = new Set<Ingest>();
  /**
   * Refs whose ingest is being made, moved or removed, with what to wait for before they are changed again. It is
   * asked again after each wait, with nothing in between: others wait for the same.
   */
  readonly #changing = new Map<Ref, Promise<unknown>>();
  #loaded: Promise<void> | undefined;
  /** Whether it can be told who writes a file of the store: only then is one lent. */
  readonly #tellsWriters: boolean;
  /** Told of each directory that is removed because nobody uses it. */
  onDirectoryExpired: (path: string) => void = () => undefined;

  constructor(root: string, blobs: Blobs, durability: Durability, options: IngestsOptions = {}) {
    this.#root = root;
    this.#blobs = blobs;
    this.#durability = durability;
    this.#options = { ...DEFAULTS, ...options };
    this.#tellsWriters = tellsWriters(join(root, 'format'));
    this.#directories = new Directories(join(root, 'directories'));
    this.#shared = new SharedDirectories(join(root, 'ingest'));
  }

  /** Reads what earlier runs left, once, when it is first asked for. What a crash left half-made is removed. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  /** What stands at a path. Call after {@link load}. */
  get(path: string): Named | undefined {
    return this.#names.get(path);
  }

  /** The ingest at a ref, loaded if need be; undefined where there is none. */
  async find(ref: Ref): Promise<Ingest | undefined> {
    await this.load();
    const named = this.#names.get(ref);
    return named === 'directory' ? undefined : named;
  }

  /** The names in a directory. Call after {@link load}. */
  children(directory: string): ReadonlyMap<string, Named> {
    return this.#names.children(directory);
  }

  /**
   * Makes an ingest, empty and locked for its creator, who unlocks it. `thread` is the caller's, where it is known.
   * @throws CasError INGEST_EXISTS
   */
  async create(ref: Ref, algorithm: Algorithm, mode = 0o600, thread?: number): Promise<Ingest> {
    await this.load();
    for (let change; (change = this.#changing.get(ref)) !== undefined;) await change;
    if (this.#names.get(ref) !== undefined) throw new CasError('INGEST_EXISTS', { subject: ref });
    return this.#change([ref], this.#create(ref, algorithm, mode, thread));
  }

  /** Whether files can be lent to the kernel; see {@link lend}. */
  get lends(): boolean {
    return this.#tellsWriters;
  }

  /**
   * Commits an ingest; see {@link commit} for the order and the errors.
   * @returns whether the blob is new
   */
  async commit(ingest: Ingest, claim: Claim): Promise<boolean> {
    if (claim.keep === true) await ingest.keeper.settle();
    for (let change; (change = this.#changing.get(ingest.ref)) !== undefined;) await change;
    return commit(ingest, this.#blobs, claim, {
      alone: this.#fresh.size <= 1,
      drop: (moved) => (claim.keep === true ? ingest.commit() : this.#drop(ingest, moved)),
    });
  }

  /**
   * Removes an ingest and its bytes, if it is `still` to be removed once nothing else is done to it. A writer that has
   * it open gets INGEST_SEALED from then on.
   * @returns whether it was removed
   * @throws CasError INGEST_NOT_FOUND where another has removed or moved it meanwhile
   */
  async remove(ingest: Ingest, still: () => boolean = () => true): Promise<boolean> {
    const { ref } = ingest;
    for (let change; (change = this.#changing.get(ref)) !== undefined;) await change;
    if (this.#names.get(ref) !== ingest) throw new CasError('INGEST_NOT_FOUND', { subject: ref });
    if (!still()) return false;
    await this.#change([ref], this.#remove(ingest));
    return true;
  }

  /**
   * Gives an ingest another ref; one that stands there and that nobody writes is replaced, as rename(2) does.
   * @throws CasError INGEST_BUSY when a writer holds the target, or has a file open that is lent and would not be there
   */
  async rename(ingest: Ingest, ref: Ref): Promise<void> {
    const { shared } = ingest.record;
    if (!mayBeLent(ref)) await requireOurs(ingest);
    for (;;) {
      const change = this.#changing.get(ingest.ref) ?? this.#changing.get(ref);
      const target = this.#names.get(ref);
      if (target === ingest) return;
      if (shared) throw new CasError('INGEST_SHARED', { subject: ingest.ref });
      if (!ingest.committed) ingest.checkOpen();
      if (target === 'directory') throw new CasError('DIRECTORY_EXISTS', { subject: ref });
      if (change !== undefined) await change;
      else if (target === undefined) break;
      else if (target.locked) throw target.busy();
      else await this.remove(target);
    }
    await this.#change([ingest.ref, ref], this.#move(ingest, ref));
  }

  /** @throws CasError DIRECTORY_EXISTS, INGEST_EXISTS */
  async makeDirectory(path: Ref): Promise<void> {
    await this.load();
    const named = this.#names.get(path);
    if (named !== undefined) {
      throw new CasError(named === 'directory' ? 'DIRECTORY_EXISTS' : 'INGEST_EXISTS', { subject: path });
    }
    this.#names.set(path, 'directory');
    try {
      if (!(await this.#shared.make(path))) await this.#directories.add(path);
    } catch (error) {
      // Something that was put into it meanwhile keeps it.
      if (this.#names.children(path).size === 0) this.#names.delete(path);
      throw error;
    }
  }

  /** @throws CasError DIRECTORY_NOT_FOUND, DIRECTORY_NOT_EMPTY */
  async removeDirectory(path: Ref): Promise<void> {
    await this.load();
    if (this.#names.get(path) !== 'directory') throw new CasError('DIRECTORY_NOT_FOUND', { subject: path });
    this.#names.delete(path);
    try {
      if (this.sharedPath(path) === undefined) await this.#directories.remove(path);
      else await this.#shared.remove(path);
    } catch (error) {
      this.#names.set(path, 'directory');
      throw error;
    }
  }

  /** Where a directory that containerd has made is in the store; see {@link SharedDirectories}. */
  sharedPath(directory: string): string | undefined {
    return this.#shared.path(directory);
  }

  /** What can be seen of all ingests, oldest first. */
  async list(): Promise<IngestStatus[]> {
    await this.load();
    const statuses = [...this.#names.ingests()].map((ingest) => ingest.status);
    return statuses.sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
  }

  /**
   * Removes the ingests that nobody has written for too long, unless they are open, and the directories outside
   * `ingest/` that have been empty for as long.
   * @returns how many ingests
   */
  async expire(now = new Date()): Promise<number> {
    await this.load();
    const count = await expire(this, [...this.#names.ingests()], this.#options, now);
    await expireDirectories(this, this.#names.empty(), this.#options, now);
    return count;
  }

  /** Writes down what is only in memory and closes all files. */
  async close(): Promise<void> {
    for (const ingest of this.#names.ingests()) {
      ingest.content.hurry();
      // Times that cannot be written are those of the file when it is next found.
      await ingest.settle().catch(() => undefined);
      await ingest.content.quiet();
      await ingest.end();
    }
  }

  /** Lets whoever changes the refs next wait for `change`, which has just begun. */
  async #change<T>(refs: readonly Ref[], change: Promise<T>): Promise<T> {
    const done = change.catch(() => undefined);
    for (const ref of refs) this.#changing.set(ref, done);
    try {
      return await change;
    } finally {
      for (const ref of refs) if (this.#changing.get(ref) === done) this.#changing.delete(ref);
    }
  }

  async #move(ingest: Ingest, ref: Ref): Promise<void> {
    const { keeper, content } = ingest;
    const move = async (): Promise<void> => {
      const { directory, data } = await moveRecord(await keeper.settle(), ref);
      this.#names.delete(ingest.ref);
      keeper.move({ ...keeper.record, ref, directory, data });
      this.#names.set(ref, ingest);
    };
    await keeper.settle();
    await keeper.changes.run(() => content.undisturbed(move));
  }

  async #create(ref: Ref, algorithm: Algorithm, mode: number, thread?: number): Promise<Ingest> {
    const { record, data } =
      (await this.#shared.createData(ref, mode)) ?? (await createFresh(this.#root, ref, mode));
    const file = new DataFile(record.data, this.#durability, 0, record.startedAt, { fd: data });
    const ingest = this.#add(record, file, algorithm);
    if (record.directory === undefined) this.#fresh.add(ingest);
    ingest.lock(thread);
    return ingest;
  }

  #add(record: IngestRecord, file: DataFile, algorithm: Algorithm, saved?: number): Ingest {
    const { report } = this.#options;
    const policy = this.#options;
    const onSettled = (settled: Ingest): boolean => this.#fresh.delete(settled);
    const parts = { record, file, algorithm, policy, saved, report, onSettled };
    const ingest = new Ingest({ root: this.#root, ...parts });
    this.#names.set(record.ref, ingest);
    return ingest;
  }

  async #remove(ingest: Ingest): Promise<void> {
    if (!ingest.committed) await ingest.seal(true);
    await this.#drop(ingest);
  }

  /** Takes the name away at once; the record is gone when it settles. `moved`: its data file is elsewhere already. */
  async #drop(ingest: Ingest, moved = false): Promise<void> {
    const { ref } = ingest;
    this.#names.delete(ref);
    this.#fresh.delete(ingest);
    const removed = ingest
      .quiet()
      .then(() => (moved && ingest.record.directory === undefined ? undefined : removeRecord(ingest.record)));
    await this.#change([ref], Promise.all([ingest.end(), removed]));
  }

  async #load(): Promise<void> {
    for (const { path, since } of await this.#directories.load()) this.#names.set(path, 'directory', since);
    const context = {
      keepsOrder: this.#durability.keepsOrder,
      openedAt: this.#openedAt,
      report: this.#options.report,
    };
    for (const { record, size, updatedAt, linked, saved } of await loadRecords(this.#root, context)) {
      const { failure } = record;
      const lent = this.#tellsWriters && mayBeLent(record.ref);
      const file = new DataFile(record.data, this.#durability, size, updatedAt, { failure, lent });
      const ingest = this.#add(record, file, algorithmFor(record), saved);
      if (record.shared) this.#shared.add(parentOf(record.ref));
      if (linked) await ingest.commit();
    }
  }
}
