import { constants } from 'node:fs';
import { join } from 'node:path';
import { CasError } from '../store/errors.js';
import {
  chown,
  close,
  fsyncDirectory,
  lstat,
  open,
  readNames,
  rename,
  renameNoReplace,
  unlink,
} from '../store/files.js';
import { isField } from '../store/ingest/clear-shared.js';
import { FsError } from './errors.js';
import { IngestDirectory, type Move } from './ingest-directory.js';
import {
  type Caller,
  type Created,
  type DirEntry,
  type Name,
  nameOf,
  type Node,
  type OpenFlags,
  RENAME_NOREPLACE,
} from './node.js';
import { SharedFile } from './shared-file.js';

const { O_CREAT, O_EXCL, O_RDWR, O_SYNC, S_IFREG } = constants;

/**
 * `ingest/<sha256 of a ref>/`, in which containerd keeps an ingest; see {@link SharedDirectories}. `data` and whatever
 * containerd does not know of are ingests.
 */
export class SharedDirectory extends IngestDirectory {
  /** The nodes that the kernel remembers. */
  readonly #files = new Map<string, SharedFile>();

  override async lookup(name: Name): Promise<Node | undefined> {
    await this.context.store.ingests.load();
    const path = this.#field(name);
    return path !== undefined && lstat(path) !== undefined ? this.#file(path) : super.lookup(name);
  }

  override async *entries(): AsyncIterable<readonly DirEntry[]> {
    await this.context.store.ingests.load();
    const below = this.#below;
    for (const name of below === undefined ? [] : (await readNames(below)).filter(isField)) {
      const stats = lstat(join(below ?? '', name));
      if (stats !== undefined) yield [{ name: nameOf(name), ino: Number(stats.ino), type: S_IFREG }];
    }
    yield* super.entries();
  }

  override async create(name: Name, flags: OpenFlags, mode: number, caller: Caller): Promise<Created> {
    const path = this.#field(name);
    if (path === undefined) return super.create(name, flags, mode, caller);
    const fd = await open(path, O_RDWR | O_CREAT | (flags & (O_EXCL | O_SYNC)), mode & 0o777);
    try {
      await chown(fd, caller.uid, caller.gid);
    } catch (error) {
      await close(fd);
      throw error;
    }
    const node = this.#file(path);
    const handle = node.handle(fd, flags);
    this.changed();
    return { node, handle };
  }

  override async unlink(name: Name): Promise<void> {
    const path = this.#field(name);
    if (path === undefined || lstat(path) === undefined) return super.unlink(name);
    await unlink(path);
    this.#files.delete(path);
    this.changed();
  }

  override async rename(name: Name, to: Node, toName: Name, flags: number, caller: Caller): Promise<void> {
    const from = this.#field(name);
    if (from === undefined || lstat(from) === undefined) return super.rename(name, to, toName, flags, caller);
    if ((flags & ~RENAME_NOREPLACE) !== 0) throw new FsError('EINVAL', 'names cannot be exchanged');
    const target = to === this ? this.#field(toName) : undefined;
    if (target === undefined) throw new CasError('INGEST_SHARED', { subject: from });
    await ((flags & RENAME_NOREPLACE) === 0 ? rename : renameNoReplace)(from, target);
    const file = this.#files.get(from);
    this.#files.delete(from);
    this.#files.delete(target);
    file?.moved(target);
    if (file !== undefined) this.#files.set(target, file);
    this.changed();
  }

  override async syncDir(): Promise<void> {
    if (this.#below !== undefined) await fsyncDirectory(this.#below);
  }

  protected override receive(move: Move, name: Name): Promise<void> {
    if (this.#field(name) !== undefined) throw new CasError('INGEST_SHARED', { subject: name });
    return super.receive(move, name);
  }

  /** Where it is in the store. */
  get #below(): string | undefined {
    return this.context.store.ingests.sharedPath(this.path);
  }

  /** The path in the store of what is only a small file. */
  #field(name: Name): string | undefined {
    return this.#below !== undefined && isField(name) ? join(this.#below, name) : undefined;
  }

  #file(path: string): SharedFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = new SharedFile(path, (forgotten) => {
      if (this.#files.get(forgotten.path) === forgotten) this.#files.delete(forgotten.path);
    });
    this.#files.set(path, file);
    return file;
  }
}
