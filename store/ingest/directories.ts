import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { ensureDirectory, ifPresent, lstat, readNames, replaceFile, unlink } from '../files.js';
import { inBatches } from '../in-batches.js';

/**
 * The directories made under `ingest/`, kept so that they survive a restart: one file each,
 * `<root>/directories/<sha256 of the path>`, that holds the path.
 */
export class Directories {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Reads them, with when each was made; what a crash has left half-written is removed. */
  async load(): Promise<{ path: string; since: number }[]> {
    const names = await readNames(this.#root);
    const found = await inBatches(names, (name) => this.#read(name));
    return found.filter((directory) => directory !== undefined);
  }

  async add(path: string): Promise<void> {
    await ensureDirectory(this.#root, 0o700);
    await replaceFile(join(this.#root, keyOf(path)), path);
  }

  async remove(path: string): Promise<void> {
    await ifPresent(unlink(join(this.#root, keyOf(path))));
  }

  async #read(name: string): Promise<{ path: string; since: number } | undefined> {
    const file = join(this.#root, name);
    const path = await fs.promises.readFile(file, 'utf8');
    if (keyOf(path) === name) return { path, since: Number(lstat(file)?.mtimeMs ?? 0) };
    await unlink(file);
    return undefined;
  }
}

function keyOf(path: string): string {
  return createHash('sha256').update(path).digest('hex');
}
