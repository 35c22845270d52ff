import { createHash } from 'node:crypto';
import { promises } from 'node:fs';
import { join } from 'node:path';
import { type Digest, isDigest } from '../digest.js';
import { CasError, isCasError } from '../errors.js';
import { ensureDirectory, fsyncDirectory, readNames, replaceFile, unlink } from '../files.js';
import { inBatches } from '../in-batches.js';
import { checkComponent } from '../ref.js';

/** A named pile of layers. */
export interface Stack {
  readonly name: string;
  /** The chain on top; undefined while it is empty. */
  readonly top?: Digest;
}

/** The stacks that are on the disk. */
export interface ReadStacks {
  readonly stacks: readonly Stack[];
  /** One for each file that is no stack. It stays, and it is not known what it holds. */
  readonly failures: readonly CasError[];
}

/**
 * The stacks of a store as they are on the disk: one file each, `<root>/stacks/<sha256 of the name>`, that holds its name
 * and its top as JSON.
 */
export class StackFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Reads them; what a crash has left half-written is removed. */
  async load(): Promise<ReadStacks> {
    const stacks: Stack[] = [];
    const failures: CasError[] = [];
    await inBatches(await readNames(this.#root), async (file) => {
      const read = await this.#read(file);
      if (read instanceof CasError) failures.push(read);
      else if (read !== undefined) stacks.push(read);
    });
    return { stacks, failures };
  }

  /** Writes a stack down, durably. */
  async write(stack: Stack): Promise<void> {
    await ensureDirectory(this.#root, 0o700);
    await replaceFile(this.#path(stack.name), JSON.stringify(stack), true);
  }

  /** Removes a stack, durably. */
  async remove(name: string): Promise<void> {
    await unlink(this.#path(name));
    await fsyncDirectory(this.#root);
  }

  #path(name: string): string {
    return join(this.#root, keyOf(name));
  }

  async #read(file: string): Promise<Stack | CasError | undefined> {
    const path = join(this.#root, file);
    if (file.endsWith('.tmp')) {
      await unlink(path);
      return undefined;
    }
    const stack = parse(await promises.readFile(path, 'utf8'));
    if (stack !== undefined && keyOf(stack.name) === file) return stack;
    return new CasError('STACK_INVALID', { subject: path, errno: 'EIO', found: 'a file that is no stack' });
  }
}

/** @throws CasError STACK_INVALID, REF_NOT_UTF8, REF_TOO_LONG */
export function checkStackName(name: string): void {
  try {
    checkComponent(name);
  } catch (error) {
    if (!isCasError(error, 'REF_INVALID')) throw error;
    const { expected } = error;
    throw new CasError('STACK_INVALID', { subject: name, ...(expected !== undefined && { expected }) });
  }
}

function keyOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

function parse(text: string): Stack | undefined {
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    const { name, top } = value;
    if (typeof name !== 'string') return undefined;
    if (top === undefined) return { name };
    return typeof top === 'string' && isDigest(top) ? { name, top } : undefined;
  } catch {
    return undefined;
  }
}
