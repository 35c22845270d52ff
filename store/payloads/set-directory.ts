import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { join } from 'node:path';
import { ensureDirectory, mkdir, open } from '../files.js';

/** The name of the file of a set that holds its small payloads, one after the other. */
export const PACK = 'pack';

/** The directory of all sets of a store. */
export const payloadsIn = (root: string): string => join(root, 'payloads');

/** The directory of a set. */
export const setIn = (root: string, set: string): string => join(payloadsIn(root), set);

/** A set that is being written. Its directory is made when the first file is. */
export class SetDirectory {
  /** 12 hex digits. */
  readonly set = randomBytes(6).toString('hex');
  readonly path: string;
  readonly #parent: string;
  #made: Promise<unknown> | undefined;

  constructor(root: string) {
    this.path = setIn(root, this.set);
    this.#parent = payloadsIn(root);
  }

  /** Makes a file that must not be there yet, for writing. */
  async create(name: string): Promise<number> {
    await (this.#made ??= ensureDirectory(this.#parent, 0o700).then(() => mkdir(this.path, 0o700)));
    return open(join(this.path, name), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL);
  }
}
