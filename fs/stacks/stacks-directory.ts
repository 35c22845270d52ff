import { constants } from 'node:fs';
import { checkStackName } from '../../store/stacks/stack-files.js';
import { CasError } from '../../store/errors.js';
import { directoryAttr, nowNs, virtualInode } from '../attr.js';
import { FsError } from '../errors.js';
import { type Attr, type DirEntry, type Name, nameOf, type Node, RENAME_NOREPLACE, utf8Of } from '../node.js';
import type { TreeContext } from '../tree.js';
import { StackDirectory } from './stack-directory.js';

/** `stacks/`: a directory for each stack. mkdir makes one, rmdir takes it down with whatever is on it. */
export class StacksDirectory implements Node {
  readonly type = constants.S_IFDIR;
  readonly validity = { entry: 3600, attr: 1 };
  readonly #context: TreeContext;
  readonly #directories = new Map<string, StackDirectory>();
  #changed = nowNs();

  constructor(context: TreeContext) {
    this.#context = context;
  }

  attr(): Attr {
    const { owner, umask } = this.#context;
    return directoryAttr(virtualInode('/stacks'), 0o755 & ~umask, owner, this.#changed);
  }

  async lookup(name: Name): Promise<Node | undefined> {
    const text = utf8Of(name);
    const { stacks } = this.#context.store;
    await stacks.load();
    return text === undefined || stacks.get(text) === undefined ? undefined : this.#directory(text);
  }

  async *entries(): AsyncIterable<readonly DirEntry[]> {
    const { stacks } = this.#context.store;
    await stacks.load();
    for (const { name } of stacks.all()) {
      yield [{ name: nameOf(name), ino: this.#directory(name).attr().ino, type: constants.S_IFDIR }];
    }
  }

  async mkdir(name: Name): Promise<Node> {
    const text = textOf(name);
    await this.#context.store.stacks.make(text);
    this.#changed = nowNs();
    return this.#directory(text);
  }

  async rmdir(name: Name): Promise<void> {
    const text = textOf(name);
    await this.#context.store.stacks.remove(text);
    this.#directories.delete(text);
    this.#changed = nowNs();
  }

  async rename(name: Name, to: Node, toName: Name, flags: number): Promise<void> {
    if ((flags & ~RENAME_NOREPLACE) !== 0) throw new FsError('EINVAL', 'names cannot be exchanged');
    if (to !== this) throw new FsError('EROFS');
    const [from, target] = [textOf(name), textOf(toName)];
    await this.#context.store.stacks.rename(from, target);
    const directory = this.#directory(from);
    this.#directories.delete(from);
    directory.renamed(target);
    this.#directories.set(target, directory);
    this.#changed = nowNs();
  }

  #directory(name: string): StackDirectory {
    const known = this.#directories.get(name);
    if (known !== undefined) return known;
    const made = new StackDirectory(this.#context, name);
    this.#directories.set(name, made);
    return made;
  }
}

/** @throws CasError REF_NOT_UTF8, REF_INVALID, REF_TOO_LONG */
function textOf(name: Name): string {
  const text = utf8Of(name);
  if (text === undefined) throw new CasError('REF_NOT_UTF8', { subject: name });
  checkStackName(text);
  return text;
}
