import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { type Algorithm, algorithmOf, ALGORITHMS, type Digest, digestOf, hexOf, isHexOf } from './digest.js';
import type { Durability } from './durability.js';
import { CasError } from './errors.js';
import {
  close,
  ensureDirectory,
  ensureDirectoryNow,
  isCode,
  lstat,
  open,
  openDirectory,
  rename,
  renameNoReplace,
  unlink,
} from './files.js';
import { emptyDigest } from './hasher/engines.js';
import { listDirectory, type ListedName } from './list-directory.js';
import type { Report } from './report.js';

/** What can be seen of a blob from outside. */
export interface BlobInfo {
  readonly digest: Digest;
  readonly size: number;
  readonly committedAt: Date;
}

/**
 * The committed content: plain files `<root>/blobs/<algorithm>/<hex>`, 0444, as in an OCI image layout. A file
 * gets its name here only after its bytes were verified and made durable, and never changes afterwards.
 */
export class Blobs {
  readonly #root: string;
  readonly #durability: Durability;
  readonly #directories: ReadonlyMap<Algorithm, number>;
  /** What is done around the unlink of a blob; who keeps something of blobs elsewhere may replace it. */
  removing = (_digest: Digest, unlink: () => Promise<void>): Promise<void> => unlink();
  /** Called for each blob that has come, or has taken the place of a damaged one. */
  placed: (digest: Digest) => void = () => undefined;
  readonly #report: Report;

  private constructor(
    root: string,
    durability: Durability,
    directories: ReadonlyMap<Algorithm, number>,
    report: Report,
  ) {
    this.#root = root;
    this.#report = report;
    this.#durability = durability;
    this.#directories = directories;
  }

  /** Opens `<root>/blobs`, making what is missing. Never reads the names in it. */
  static async open(root: string, durability: Durability, report: Report = () => undefined): Promise<Blobs> {
    const directories = new Map<Algorithm, number>();
    await ensureDirectory(root, 0o755);
    for (const algorithm of ALGORITHMS) {
      const path = join(root, algorithm);
      await ensureDirectory(path, 0o755);
      directories.set(algorithm, await openDirectory(path));
    }
    return new Blobs(root, durability, directories, report);
  }

  /** Whether changes of names become durable in the order they were made. */
  get keepsOrder(): boolean {
    return this.#durability.keepsOrder;
  }

  /** The directory of an algorithm's blobs. */
  directory(algorithm: Algorithm): string {
    return join(this.#root, algorithm);
  }

  path(digest: Digest): string {
    return join(this.#root, algorithmOf(digest), hexOf(digest));
  }

  /**
   * stat(2) of a blob; undefined where there is none. An empty file under any digest but that of nothing is none: it
   * is what a power cut leaves of a program that renamed before it synced, and is set aside.
   */
  stat(digest: Digest): fs.BigIntStats | undefined {
    const stats = lstat(this.path(digest));
    if (stats?.isFile() !== true) return undefined;
    if (stats.size > 0n || digest === emptyDigest(algorithmOf(digest))) return stats;
    this.#setAside(digest);
    return undefined;
  }

  /**
   * Opens a blob for reading.
   * @throws CasError BLOB_NOT_FOUND
   */
  async open(digest: Digest): Promise<number> {
    return open(this.path(digest), fs.constants.O_RDONLY).catch((error: unknown) => {
      throw isCode(error, 'ENOENT')
        ? new CasError('BLOB_NOT_FOUND', { subject: digest, cause: error })
        : error;
    });
  }

  /** The names of an algorithm's blobs, their hex digits, in batches and no particular order. */
  async *names(algorithm: Algorithm): AsyncGenerator<ListedName[]> {
    for await (const names of listDirectory(this.directory(algorithm))) {
      yield names.filter(({ name }) => isHexOf(algorithm, name));
    }
  }

  /** All blobs, in no particular order; those that vanish meanwhile are left out. */
  async *list(algorithms: readonly Algorithm[] = ALGORITHMS): AsyncGenerator<BlobInfo> {
    for (const algorithm of algorithms) {
      for await (const names of this.names(algorithm)) {
        for (const { name } of names) {
          const digest = digestOf(algorithm, name);
          const stats = this.stat(digest);
          if (stats) yield { digest, size: Number(stats.size), committedAt: stats.mtime };
        }
      }
    }
  }

  /**
   * Gives the file at `from` the name of its digest, which the caller has verified. `keep` leaves the old name.
   * @returns false where the blob was there already; `from` is then left alone
   */
  async place(from: string, digest: Digest, keep: boolean): Promise<boolean> {
    try {
      await (keep ? fs.promises.link(from, this.path(digest)) : renameNoReplace(from, this.path(digest)));
      this.placed(digest);
      return true;
    } catch (error) {
      if (isCode(error, 'EEXIST')) return false;
      throw error;
    }
  }

  /** Gives the file at `from` the name of its digest even where a damaged file has it. */
  async replace(from: string, digest: Digest): Promise<void> {
    await rename(from, this.path(digest));
    this.placed(digest);
  }

  /** Makes the names of an algorithm's blobs durable. */
  async sync(algorithm: Algorithm, alone: boolean): Promise<void> {
    const directory = this.#directories.get(algorithm);
    if (directory !== undefined) await this.#durability.names(directory, alone);
  }

  /** Makes all commits durable that were acknowledged. */
  flush(): Promise<void> {
    return this.#durability.flush();
  }

  /**
   * Removes a blob.
   * @throws CasError BLOB_NOT_FOUND
   */
  async remove(digest: Digest): Promise<void> {
    await this.removing(digest, () => unlink(this.path(digest))).catch((error: unknown) => {
      throw isCode(error, 'ENOENT')
        ? new CasError('BLOB_NOT_FOUND', { subject: digest, cause: error })
        : error;
    });
  }

  /** Moves a file that is no blob to `damaged/`, where its owner can look at it. */
  #setAside(digest: Digest): void {
    const damaged = join(dirname(this.#root), 'damaged');
    const target = join(damaged, `${algorithmOf(digest)}-${hexOf(digest)}`);
    try {
      ensureDirectoryNow(damaged, 0o700);
      fs.renameSync(this.path(digest), target);
      this.#report({
        level: 'error',
        message: 'empty file under a digest set aside',
        fields: { digest, target },
      });
    } catch (error) {
      const fields = { digest, error: String(error) };
      this.#report({ level: 'error', message: 'empty file under a digest cannot be set aside', fields });
    }
  }

  async close(): Promise<void> {
    for (const directory of this.#directories.values()) await close(directory);
  }
}
