import { promises } from 'node:fs';
import { join } from 'node:path';
import { type Digest, isDigest } from '../digest.js';
import { CasError } from '../errors.js';
import { ifPresent, replaceFile } from '../files.js';
import { isPlainObject } from '../is-plain-object.js';
import { Lane } from '../lane.js';

const FORMAT = 1;

/** A layer that others have said they use, so and so many times. */
export interface Use {
  /** Its path below `.cas/als/`. */
  readonly path: string;
  readonly blob: Digest;
  /** The chain that the path leads to as long as it is used. */
  readonly chain: Digest;
  readonly count: number;
}

/** Who uses which layers of the additional layer store, from run to run: `<root>/als.json`. */
export class Uses {
  readonly #path: string;
  readonly #lane = new Lane();
  #uses = new Map<string, Use>();
  #loaded: Promise<void> | undefined;

  constructor(root: string) {
    this.#path = join(root, 'als.json');
  }

  /** Reads them, once. @throws CasError STORE_INVALID where the file cannot be read; the system's error */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  /** All of them. Call after {@link load}. */
  all(): readonly Use[] {
    return [...this.#uses.values()];
  }

  /** The uses of a path; undefined where there are none. Call after {@link load}. */
  of(path: string): Use | undefined {
    return this.#uses.get(path);
  }

  /** Counts one more or one less, for good when it settles; what it is then, none where it has come to nothing. */
  async count(use: Omit<Use, 'count'>, by: 1 | -1): Promise<Use | undefined> {
    await this.load();
    return this.#lane.run(async () => {
      const before = this.#uses.get(use.path);
      const count = (before?.count ?? 0) + by;
      const uses = new Map(this.#uses);
      if (count > 0) uses.set(use.path, { ...(before ?? use), count });
      else uses.delete(use.path);
      if (count >= 0) await this.#write(uses);
      this.#uses = uses;
      return uses.get(use.path);
    });
  }

  /** Waits for what is under way. */
  close(): Promise<void> {
    return this.#lane.quiet();
  }

  async #load(): Promise<void> {
    const text = await ifPresent(promises.readFile(this.#path, 'utf8'));
    if (text === undefined) return;
    const uses = parse(text);
    if (uses === undefined)
      throw new CasError('STORE_INVALID', { subject: this.#path, errno: 'EIO', expected: 'uses of layers' });
    this.#uses = new Map(uses.map((use) => [use.path, use]));
  }

  async #write(uses: ReadonlyMap<string, Use>): Promise<void> {
    const text = JSON.stringify({ format: FORMAT, uses: [...uses.values()] }, null, 2);
    await replaceFile(this.#path, `${text}\n`, true);
  }
}

function parse(text: string): Use[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isPlainObject(value) || value['format'] !== FORMAT || !Array.isArray(value['uses'])) return undefined;
  const uses: unknown[] = value['uses'];
  return uses.every(isUse) ? uses : undefined;
}

function isUse(value: unknown): value is Use {
  if (!isPlainObject(value)) return false;
  const { path, blob, chain, count } = value;
  return typeof path === 'string' && isText(blob) && isText(chain) && Number.isSafeInteger(count);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && isDigest(value);
}
