import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { ifPresent, readNames, unlink } from '../files.js';
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

  async load(): Promise<string[]> {
    const names = await readNames(this.#root);
    const paths = await inBatches(names, (name) => fs.promises.readFile(join(this.#root, name), 'utf8'));
    return paths.filter((path, index) => keyOf(path) === names[index]);
  }

  async add(path: string): Promise<void> {
    await fs.promises.mkdir(this.#root, { recursive: true, mode: 0o700 });
    await fs.promises.writeFile(join(this.#root, keyOf(path)), path, { mode: 0o600 });
  }

  async remove(path: string): Promise<void> {
    await ifPresent(unlink(join(this.#root, keyOf(path))));
  }
}

function keyOf(path: string): string {
  return createHash('sha256').update(path).digest('hex');
}
