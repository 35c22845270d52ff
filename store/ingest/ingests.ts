import fs from 'node:fs';
import { join } from 'node:path';
import type { Blobs } from '../blobs.js';
import { type Claim, commit } from '../commit.js';
import { type Algorithm, algorithmOf, isAlgorithm } from '../digest.js';
import type { Durability } from '../durability.js';
import { CasError } from '../errors.js';
import { lstat } from '../files.js';
import { nameIn, parentOf, type Ref } from '../ref.js';
import { DataFile } from './data-file.js';
import { Directories } from './directories.js';
import { Ingest, type IngestStatus } from './ingest.js';
import { type Named, Names } from './names.js';

export type { Named };
import { Progress } from './progress.js';
import { createRecord, dataPath, type IngestRecord, moveRecord, readRecord, removeRecord } from './record.js';

/** Records read at a time when the ingests are first needed. */
const LOAD_BATCH = 64;

/** The ingests of a store, by ref, and the directories they are in. */
export class Ingests {
  readonly #root: string;
  readonly #blobs: Blobs;
  readonly #durability: Durability;
  readonly #directories: Directories;
  readonly #names = new Names();
  /** Refs whose ingest is being made or removed, with what to wait for. */
  readonly #changing = new Map<Ref, Promise<unknown>>();
  #loaded: Promise<void> | undefined;

  constructor(root: string, blobs: Blobs, durability: Durability) {
    this.#root = join(root, 'ingest');
    this.#blobs = blobs;
    this.#durability = durability;
    this.#directories = new Directories(join(root, 'directories'));
  }

  /** Reads what earlier runs left, once, when it is first asked for. What a crash left half-made is removed. */
  load(): Promise<void> {
    this.#loaded ??= this.#load();
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
   * Makes an ingest, empty and locked for its creator, who unlocks it.
   * @throws CasError INGEST_EXISTS
   */
  async create(ref: Ref, algorithm: Algorithm, mode = 0o600): Promise<Ingest> {
    await this.load();
    await this.#changing.get(ref);
    if (this.#names.get(ref) !== undefined) throw new CasError('INGEST_EXISTS', { subject: ref });
    const making = this.#create(ref, algorithm, mode);
    this.#changing.set(
      ref,
      making.catch(() => undefined),
    );
    try {
      return await making;
    } finally {
      this.#changing.delete(ref);
    }
  }

  /**
   * Commits an ingest; see {@link commit} for the order and the errors.
   * @returns whether the blob is new
   */
  commit(ingest: Ingest, claim: Claim): Promise<boolean> {
    return commit(ingest, this.#blobs, claim, () =>
      claim.keep === true ? ingest.commit() : this.#drop(ingest),
    );
  }

  /** Removes an ingest and its bytes. A writer that has it open gets INGEST_SEALED from then on. */
  async remove(ingest: Ingest): Promise<void> {
    if (!ingest.committed) await ingest.seal();
    await this.#drop(ingest);
  }

  /**
   * Gives an ingest another ref; one that stands there and that nobody writes is replaced, as rename(2) does.
   * @throws CasError INGEST_BUSY when a writer holds the target
   */
  async rename(ingest: Ingest, ref: Ref): Promise<void> {
    await this.#changing.get(ref);
    const target = this.#names.get(ref);
    if (target === ingest) return;
    if (target === 'directory') throw new CasError('DIRECTORY_EXISTS', { subject: ref });
    if (target?.locked === true) throw new CasError('INGEST_BUSY', { subject: ref });
    if (target !== undefined) await this.remove(target);
    const moved = await moveRecord(ingest.record, ref);
    this.#names.delete(ingest.ref);
    ingest.moved(moved);
    this.#names.set(ref, ingest);
  }

  /** @throws CasError DIRECTORY_EXISTS, INGEST_EXISTS */
  async makeDirectory(path: Ref): Promise<void> {
    await this.load();
    const named = this.#names.get(path);
    if (named !== undefined) {
      throw new CasError(named === 'directory' ? 'DIRECTORY_EXISTS' : 'INGEST_EXISTS', { subject: path });
    }
    this.#names.set(path, 'directory');
    await this.#directories.add(path);
  }

  /** @throws CasError DIRECTORY_NOT_FOUND, DIRECTORY_NOT_EMPTY */
  async removeDirectory(path: Ref): Promise<void> {
    await this.load();
    if (this.#names.get(path) !== 'directory') throw new CasError('DIRECTORY_NOT_FOUND', { subject: path });
    this.#names.delete(path);
    await this.#directories.remove(path);
  }

  /**
   * Gives a directory another path, with all that is in it; an empty one that stands there is replaced. A crash
   * in the middle leaves some names moved and others not, each ingest whole.
   */
  async renameDirectory(path: Ref, to: Ref): Promise<void> {
    if (this.#names.get(to) === 'directory') await this.removeDirectory(to);
    await this.makeDirectory(to);
    for (const [name, named] of [...this.#names.children(path)]) {
      const [from, target] = [`${path}/${name}` as Ref, `${to}/${name}` as Ref];
      await (named === 'directory' ? this.renameDirectory(from, target) : this.rename(named, target));
    }
    await this.removeDirectory(path);
  }

  /** What can be seen of all ingests, oldest first. */
  async list(): Promise<IngestStatus[]> {
    await this.load();
    const statuses = [...this.#names.ingests()].map((ingest) => ingest.status);
    return statuses.sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
  }

  /** Writes down what is only in memory and closes all files. */
  async close(): Promise<void> {
    for (const ingest of this.#names.ingests()) {
      await ingest.settle();
      await ingest.end();
    }
  }

  async #create(ref: Ref, algorithm: Algorithm, mode: number): Promise<Ingest> {
    const { record, data } = await createRecord(this.#root, ref, mode);
    const ingest = this.#ingest(record, algorithm, 0, record.startedAt, data);
    ingest.lock();
    return ingest;
  }

  #ingest(record: IngestRecord, algorithm: Algorithm, size: number, updatedAt: Date, fd?: number): Ingest {
    const file = new DataFile(dataPath(record.directory), this.#durability, size, updatedAt, fd);
    const ingest = new Ingest(record, file, new Progress(algorithm, size));
    this.#names.set(record.ref, ingest);
    return ingest;
  }

  /** Takes the name away at once; the record is gone when it settles. */
  async #drop(ingest: Ingest): Promise<void> {
    const { ref, record } = ingest;
    this.#names.delete(ref);
    const removing = removeRecord(record.directory);
    this.#changing.set(
      ref,
      removing.catch(() => undefined),
    );
    try {
      await Promise.all([ingest.end(), removing]);
    } finally {
      this.#changing.delete(ref);
    }
  }

  async #load(): Promise<void> {
    await fs.promises.mkdir(this.#root, { recursive: true, mode: 0o755 });
    for (const path of await this.#directories.load()) this.#names.set(path, 'directory');
    const keys = await fs.promises.readdir(this.#root);
    for (let index = 0; index < keys.length; index += LOAD_BATCH) {
      await Promise.all(
        keys.slice(index, index + LOAD_BATCH).map((key) => this.#loadOne(join(this.#root, key))),
      );
    }
  }

  async #loadOne(directory: string): Promise<void> {
    const record = await readRecord(directory);
    if (record === undefined) {
      await removeRecord(directory);
      return;
    }
    const stats = await lstat(dataPath(directory));
    if (stats === undefined) return;
    const ingest = this.#ingest(record, algorithmFor(record), Number(stats.size), stats.mtime);
    if (stats.nlink > 1n) await ingest.commit();
  }
}

/** The algorithm an ingest is hashed with before its digest is named: the declared one's, its directory's, or sha256. */
export function algorithmFor({ ref, expected }: Pick<IngestRecord, 'ref' | 'expected'>): Algorithm {
  if (expected !== undefined) return algorithmOf(expected);
  const parent = parentOf(ref);
  const directory = nameIn(parent);
  return parentOf(parent) === '/blobs' && isAlgorithm(directory) ? directory : 'sha256';
}
