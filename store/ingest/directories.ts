import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { ensureDirectory, ifPresent, readNames, replaceFile, unlink } from '../files.js';
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

  /** Reads them; what a crash has left half-written is removed. */
  async load(): Promise<string[]> {
    const names = await readNames(this.#root);
    const paths = await inBatches(names, (name) => this.#read(name));
    return paths.filter((path) => path !== undefined);
  }

  async add(path: string): Promise<void> {
    await ensureDirectory(this.#root, 0o700);
    await replaceFile(join(this.#root, keyOf(path)), path);
  }

  async remove(path: string): Promise<void> {
    await ifPresent(unlink(join(this.#root, keyOf(path))));
  }

  async #read(name: string): Promise<string | undefined> {
    const file = join(this.#root, name);
    const path = await fs.promises.readFile(file, 'utf8');
    if (keyOf(path) === name) return path;
    await unlink(file);
    return undefined;
  }
}

function keyOf(path: string): string {
  return createHash('sha256').update(path).digest('hex');
}
