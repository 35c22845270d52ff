import { constants } from 'node:fs';
import { algorithmFor } from '../store/ingest/algorithm-for.js';
import type { Ingest } from '../store/ingest/ingest.js';
import type { Named } from '../store/ingest/ingests.js';
import { lend } from '../store/ingest/loan.js';
import { renameDirectory } from '../store/ingest/rename-directory.js';
import { chown } from '../store/files.js';
import { type Ref, refWithin } from '../store/ref.js';
import { CasError, isCasError } from '../store/errors.js';
import { directoryAttr, nowNs, virtualInode } from './attr.js';
import { FsError } from './errors.js';
import { IngestWriter } from './ingest-handle.js';
import {
  type Attr,
  type AttrChanges,
  type Awaitable,
  type Caller,
  type Created,
  type DirEntry,
  type Name,
  nameOf,
  type Node,
  type OpenFlags,
  type OpenMode,
  RENAME_NOREPLACE,
  UNCACHED,
  utf8Of,
  type Validity,
} from './node.js';
import { StackDirectory } from './stacks/stack-directory.js';
import type { TreeContext } from './tree.js';

const OWN_UID = process.getuid?.();
const OWN_GID = process.getgid?.();

/** What is moved, by rename(2), from where. */
export interface Move {
  readonly named: Named;
  readonly from: Ref;
  /** RENAME_NOREPLACE */
  readonly noReplace: boolean;
  readonly caller: Caller;
}

/** A directory in which ingests are written: `ingest/`, those made below it, and all others that can be written to. */
export class IngestDirectory implements Node {
  readonly type = constants.S_IFDIR;
  readonly validity: Validity = { entry: 3600, attr: 3600 };
  protected readonly context: TreeContext;
  #path: string;
  #attr: Attr;
  /** When its names last changed, in milliseconds since the epoch; shown with the next {@link attr}. */
  #changed = 0;

  constructor(context: TreeContext, path: string) {
    this.context = context;
    this.#path = path;
    const permissions = 0o777 & ~context.umask;
    // With others allowed to write, each may remove only their own (as in /tmp).
    const sticky = (permissions & 0o022) === 0 ? 0 : 0o1000;
    this.#attr = directoryAttr(
      virtualInode(path === '' ? '/ingest' : path.startsWith('/') ? path : `/ingest/${path}`),
      permissions | sticky,
      context.owner,
      nowNs(),
    );
  }

  /** Its path as a ref: `''` for `ingest/`, `/` for the root of the mount. */
  get path(): string {
    return this.#path;
  }

  attr(): Attr | Promise<Attr> {
    const changed = BigInt(this.#changed) * 1_000_000n;
    if (changed > this.#attr.ctime) this.#attr = { ...this.#attr, mtime: changed, ctime: changed };
    return this.#attr;
  }

  /** Permissions, owner and times of a directory hold until the next mount. */
  setattr(changes: AttrChanges): void {
    const { mode, uid, gid, mtime } = changes;
    this.#attr = {
      ...this.#attr,
      ...(mode === undefined ? {} : { mode: constants.S_IFDIR | (mode & 0o7777) }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(mtime === undefined ? {} : { mtime: mtime === 'now' ? nowNs() : mtime }),
    };
  }

  async lookup(name: Name): Promise<Node | undefined> {
    const text = utf8Of(name);
    if (text === undefined) return undefined;
    await this.context.store.ingests.load();
    const named = this.context.store.ingests.children(this.path).get(text);
    return named && this.nodeOf(named, text);
  }

  async *entries(): AsyncIterable<readonly DirEntry[]> {
    await this.context.store.ingests.load();
    for (const [name, named] of [...this.context.store.ingests.children(this.path)]) {
      const node = this.nodeOf(named, name);
      const attr = await attrIfThere(node);
      if (attr !== undefined) yield [{ name: nameOf(name), ino: attr.ino, type: node.type }];
    }
  }

  async create(name: Name, _flags: OpenFlags, mode: number, caller: Caller): Promise<Created> {
    const ingest = await this.newIngest(this.refOf(name), mode, caller);
    this.changed();
    const handle = new IngestWriter(ingest, this.#modeFor(ingest, caller));
    return { node: this.context.fileOf(ingest), handle };
  }

  async mkdir(name: Name, mode: number, caller: Caller): Promise<Node> {
    const ref = this.refOf(name);
    await this.context.store.ingests.makeDirectory(ref);
    this.changed();
    const directory = this.context.directoryOf(ref);
    directory.setattr({ mode, uid: caller.uid, gid: caller.gid });
    return directory;
  }

  async unlink(name: Name): Promise<void> {
    const named = await this.named(name);
    if (named === 'directory') throw new FsError('EISDIR');
    await this.context.store.ingests.remove(named);
    this.changed();
  }

  async rmdir(name: Name): Promise<void> {
    const ref = this.refOf(name);
    if ((await this.named(name)) !== 'directory') throw new FsError('ENOTDIR');
    await this.context.store.ingests.removeDirectory(ref);
    this.context.directoryGone(ref);
    this.changed();
  }

  async rename(name: Name, to: Node, toName: Name, flags: number, caller: Caller): Promise<void> {
    if ((flags & ~RENAME_NOREPLACE) !== 0) throw new FsError('EINVAL', 'names cannot be exchanged');
    const named = await this.named(name);
    if (to instanceof StackDirectory) {
      if (named === 'directory') throw new FsError('EISDIR');
      await to.receive(named, caller);
      this.changed();
      return;
    }
    if (!(to instanceof IngestDirectory)) throw new FsError('EROFS');
    const noReplace = (flags & RENAME_NOREPLACE) !== 0;
    await to.receive({ named, from: this.refOf(name), noReplace, caller }, toName);
    this.changed();
  }

  /** Names are made durable as they are made. */
  syncDir(): Awaitable<void> {
    return undefined;
  }

  /** Takes what is moved under the name `name`. */
  protected async receive({ named, from, noReplace }: Move, name: Name): Promise<void> {
    const { ingests } = this.context.store;
    const ref = this.refOf(name);
    if (noReplace && ingests.get(ref) !== undefined) throw new CasError('INGEST_EXISTS', { subject: ref });
    if (named === 'directory') {
      if (`${ref}/`.startsWith(`${from}/`)) throw new FsError('EINVAL', 'into itself');
      await renameDirectory(ingests, from, ref);
      this.context.directoryMoved(from, ref);
    } else {
      await ingests.rename(named, ref);
    }
    this.changed();
  }

  /** Makes an ingest of the caller's, who has it for writing. */
  protected async newIngest(ref: Ref, mode: number, caller: Caller): Promise<Ingest> {
    const { ingests } = this.context.store;
    const ingest = await ingests.create(ref, algorithmFor({ ref }), mode & 0o777, caller.pid);
    await this.#giveTo(ingest, caller);
    return ingest;
  }

  /** What stands under a name. */
  protected async named(name: Name): Promise<Named> {
    await this.context.store.ingests.load();
    const named = this.context.store.ingests.get(this.refOf(name));
    if (named === undefined) throw new FsError('ENOENT');
    return named;
  }

  /** @throws CasError REF_NOT_UTF8, REF_INVALID, REF_TOO_LONG */
  protected refOf(name: Name): Ref {
    const text = utf8Of(name);
    if (text === undefined) throw new CasError('REF_NOT_UTF8', { subject: name });
    return refWithin(this.path, text);
  }

  protected nodeOf(named: Named, name: string): Node {
    return named === 'directory'
      ? this.context.directoryOf(refWithin(this.path, name))
      : this.context.fileOf(named);
  }

  /** Follows its directory to another path. */
  moved(path: string): void {
    this.#path = path;
  }

  /** Its names have changed. */
  protected changed(): void {
    this.#changed = Date.now();
  }

  /**
   * How it is opened. Files outside `ingest/` are nobody's to resume, so the kernel writes them without us, and they are
   * hashed once they are closed. Only for our own user, who can reach the store below anyway: pages of a mapping that are
   * still the target of a read when the mapping has gone are counted nowhere.
   */
  #modeFor(ingest: Ingest, { uid }: Caller): OpenMode {
    const lends = uid === OWN_UID && this.context.store.ingests.lends;
    return lends ? { ...UNCACHED, lend: () => lend(ingest) } : UNCACHED;
  }

  /** The daemon's own user must not show. */
  async #giveTo(ingest: Ingest, { uid, gid }: Caller): Promise<void> {
    if (uid === OWN_UID && gid === OWN_GID) return;
    try {
      await chown(await ingest.open(), uid, gid);
    } catch (error) {
      ingest.unlock();
      await this.context.store.ingests.remove(ingest);
      throw error;
    }
  }
}

/** The attributes of a node; undefined where it has gone since its name was read. */
async function attrIfThere(node: Node): Promise<Attr | undefined> {
  try {
    return await node.attr();
  } catch (error) {
    if (isCasError(error, 'INGEST_NOT_FOUND')) return undefined;
    throw error;
  }
}
