import fs from 'node:fs';
import { join } from 'node:path';
import { CasError } from '../errors.js';
import { isCode, mkdir, open, readNames } from '../files.js';
import { nameIn, parentOf, type Ref } from '../ref.js';
import { isField } from './clear-shared.js';
import { readText, totalIn } from './read-record.js';
import { dataPath, removeDirectory, type SettledRecord } from './record.js';

const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;

/**
 * The directories of ingests that containerd makes below `ingest/`, through the mount or on the same disk without us.
 * Their place in the store is their place in the mount, `ingest/<sha256 of containerd's ref>/`, and all that is in them
 * is what containerd has put there: so it finds what it has left, whichever way it looks. The bytes, `data`, are an
 * ingest; the other files are as small as they are many, and no more than files.
 */
export class SharedDirectories {
  readonly #root: string;
  readonly #names = new Set<string>();

  /** `root` is where ingests have their directories. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Where the directory with that path in the mount, below `ingest/`, is in the store. Undefined for all others. */
  path(directory: string): string | undefined {
    return this.#names.has(directory) ? join(this.#root, directory) : undefined;
  }

  /** Takes over one that is there. */
  add(name: string): void {
    this.#names.add(name);
  }

  /** Makes one; false where the name is none of containerd's, or the store has an ingest of its own in its place. */
  async make(name: string): Promise<boolean> {
    if (!isKey(name)) return false;
    try {
      await mkdir(join(this.#root, name), 0o755);
    } catch (error) {
      if (isCode(error, 'EEXIST')) return false;
      throw error;
    }
    this.#names.add(name);
    return true;
  }

  /** @throws CasError DIRECTORY_NOT_EMPTY */
  async remove(name: string): Promise<void> {
    const directory = join(this.#root, name);
    const fields = (await readNames(directory)).filter(isField);
    if (fields.length > 0)
      throw new CasError('DIRECTORY_NOT_EMPTY', { subject: name, found: fields.join(', ') });
    await removeDirectory(directory);
    this.#names.delete(name);
  }

  /** Makes the data file of a new ingest whose bytes containerd keeps; undefined for a ref that is none of those. */
  async createData(ref: Ref, mode: number): Promise<{ record: SettledRecord; data: number } | undefined> {
    const directory = this.path(parentOf(ref));
    if (directory === undefined || nameIn(ref) !== 'data') return undefined;
    const path = dataPath(directory);
    const declared = totalIn(await readText(directory, 'total'));
    const data = await open(path, O_RDWR | O_CREAT | O_EXCL, mode);
    return { record: { ref, data: path, directory, shared: true, startedAt: new Date(), ...declared }, data };
  }
}

/** Whether it is a name that containerd gives to the directory of an ingest: the sha256 of its ref. */
export function isKey(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}
