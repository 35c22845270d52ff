import type { BlobInfo, Blobs } from './blobs.js';
import { type Algorithm, algorithmOf, ALGORITHMS, type Digest, digestOf } from './digest.js';
import { CasError } from './errors.js';
import { close, fsync, fsyncDirectory, ifPresent, isCode, open } from './files.js';
import { inBatches } from './in-batches.js';
import { KeyedTurns } from './keyed-turns.js';
import { getLabel, listLabels, removeLabel, setLabel } from './labels.js';
import type { Database, Write } from './metadata/database.js';
import {
  findLabelled,
  type LabelCondition,
  type LabelRow,
  labelRow,
  putLabels,
} from './metadata/label-index.js';
import { hasXattrs } from './xattrs.js';

/**
 * The labels of blobs: extended attributes of their files, and an index of them.
 *
 * The attributes are the truth. The index never lacks a row, whatever breaks off when, but may have some too many: a
 * row is written before its attribute, and removed after the attribute is off the disk. So whoever reads the index
 * looks at the attribute of each hit. An index that is lost is made from the attributes.
 */
export class BlobLabels {
  readonly #blobs: Blobs;
  readonly #database: Database;
  /** Changes of one blob's labels come one after the other, or a row could go while its label comes. */
  readonly #turns = new KeyedTurns<Digest>();

  constructor(blobs: Blobs, database: Database) {
    this.#blobs = blobs;
    this.#database = database;
  }

  /** Opens the index and checks it, or makes it, in the background. Otherwise it is opened when it is first used. */
  start(): void {
    this.#database.start();
  }

  /**
   * Sets a label; it is on the disk when this settles. `flags` are XATTR_CREATE and XATTR_REPLACE of setxattr(2).
   * @throws CasError METADATA_UNAVAILABLE, as on a full disk; the system's own errors, ENOENT where there is no blob
   */
  set(digest: Digest, key: string, value: Uint8Array, flags: number): Promise<void> {
    return this.#turns.take(digest, async () => {
      const path = this.#blobs.path(digest);
      const old = getLabel(path, key);
      const same = old !== undefined && Buffer.compare(old, value) === 0;
      const row = { key, value, digest };
      await this.#database.batch(putLabels([row]));
      await setLabel(path, key, value, flags).catch(async (error: unknown) => {
        if (!same) await this.#drop([row]);
        throw error;
      });
      await sync(path);
      if (old !== undefined && !same) await this.#drop([{ key, value: old, digest }]);
    });
  }

  /** Removes a label; ENODATA where there is none. It is off the disk when this settles. */
  remove(digest: Digest, key: string): Promise<void> {
    return this.#turns.take(digest, async () => {
      const path = this.#blobs.path(digest);
      const value = getLabel(path, key);
      await removeLabel(path, key);
      await sync(path);
      if (value !== undefined) await this.#drop([{ key, value, digest }]);
    });
  }

  /** Removes a blob by `unlink`, and then the rows of its labels. */
  removing(digest: Digest, unlink: () => Promise<void>): Promise<void> {
    return this.#turns.take(digest, async () => {
      const rows = this.#rowsOf(digest);
      await unlink();
      if (rows.length === 0) return;
      // A row too many does no harm, and whoever removes a blob may do so because the disk is full.
      await fsyncDirectory(this.#blobs.directory(algorithmOf(digest)))
        .then(() => this.#drop(rows))
        .catch(() => undefined);
    });
  }

  /**
   * The blobs that meet all conditions, in no particular order. While the index cannot be used, by looking at every
   * blob.
   */
  async *find(
    conditions: readonly [LabelCondition, ...LabelCondition[]],
    algorithms: readonly Algorithm[] = ALGORITHMS,
  ): AsyncGenerator<BlobInfo> {
    const told = new Set<Digest>();
    for await (const digest of this.#candidates(conditions[0], algorithms)) {
      if (told.has(digest) || !this.#meets(digest, conditions)) continue;
      const stats = this.#blobs.stat(digest);
      if (stats === undefined) continue;
      told.add(digest);
      yield { digest, size: Number(stats.size), committedAt: stats.mtime };
    }
  }

  /** Writes the rows of all labels there are. */
  async rebuild(write: Write, signal: AbortSignal): Promise<void> {
    // The row of a label that is being set may have gone with the old index.
    await this.#turns.settled();
    for (const algorithm of ALGORITHMS) {
      for await (const digests of this.#labelled(algorithm)) {
        signal.throwIfAborted();
        const rows = digests.flatMap((digest) => this.#rowsOf(digest));
        if (rows.length > 0) await write(putLabels(rows));
      }
    }
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  /** Blobs that may meet a condition, some more than once. */
  async *#candidates(condition: LabelCondition, algorithms: readonly Algorithm[]): AsyncGenerator<Digest> {
    try {
      if (await this.#database.whole()) {
        for await (const rows of findLabelled(this.#database, condition)) {
          for (const [row, digest] of rows) {
            if (!this.#meets(digest, [condition])) this.#sweep(row, digest);
            else if (algorithms.includes(algorithmOf(digest))) yield digest;
          }
        }
        return;
      }
    } catch (error) {
      // The database has reported it.
      if (!(error instanceof CasError) || !error.code.startsWith('METADATA_')) throw error;
    }
    yield* this.#walk(algorithms);
  }

  async *#walk(algorithms: readonly Algorithm[]): AsyncGenerator<Digest> {
    for (const algorithm of algorithms) {
      for await (const digests of this.#labelled(algorithm)) yield* digests;
    }
  }

  /** The blobs that have extended attributes, in batches. */
  async *#labelled(algorithm: Algorithm): AsyncGenerator<Digest[]> {
    for await (const names of this.#blobs.names(algorithm)) {
      const found = await inBatches(names, async ({ name }) => {
        const digest = digestOf(algorithm, name);
        return (await ifPresent(hasXattrs(this.#blobs.path(digest)))) === true ? [digest] : [];
      });
      yield found.flat();
    }
  }

  #meets(digest: Digest, conditions: readonly LabelCondition[]): boolean {
    const path = this.#blobs.path(digest);
    return conditions.every(({ key, value }) => {
      const found = labelOf(path, key);
      return found !== undefined && (value === undefined || Buffer.compare(found, value) === 0);
    });
  }

  #rowsOf(digest: Digest): LabelRow[] {
    const path = this.#blobs.path(digest);
    const keys = orNothing(() => listLabels(path)) ?? [];
    return keys.flatMap((key) => {
      const value = labelOf(path, key);
      return value === undefined ? [] : [{ key, value, digest }];
    });
  }

  /** Removes rows whose labels are gone; where that fails, readers go on looking past them. */
  async #drop(rows: readonly LabelRow[]): Promise<void> {
    await this.#database.batch(rows.map((row) => ({ key: labelRow(row) }))).catch(() => undefined);
  }

  /** Removes a row that was found to be of no label, unless it is by now. */
  #sweep(row: Buffer, digest: Digest): void {
    const sweeping = this.#turns.take(digest, async () => {
      if (this.#rowsOf(digest).some((label) => labelRow(label).equals(row))) return;
      await this.#database.batch([{ key: row }]);
    });
    sweeping.catch(() => undefined);
  }
}

/** The value of a label; undefined where there is no such label or no such file. */
function labelOf(path: string, key: string): Uint8Array | undefined {
  return orNothing(() => getLabel(path, key));
}

function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const fd = await open(path, 0);
  try {
    await fsync(fd);
  } finally {
    await close(fd);
  }
}
