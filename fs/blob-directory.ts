import { constants } from 'node:fs';
import { type Algorithm, type Digest, digestOf, HEX_LENGTH, hexOf, isHexOf } from '../store/digest.js';
import { CasError, isCasError } from '../store/errors.js';
import type { Ingest } from '../store/ingest/ingest.js';
import type { Named } from '../store/ingest/ingests.js';
import { attrOf } from './attr.js';
import { BlobDraft } from './blob-draft.js';
import { BlobFile, type BlobFileEvents } from './blob-file.js';
import { BlobRewrite } from './blob-rewrite.js';
import { BlobWriter } from './blob-writer.js';
import { draftRef } from './draft-ref.js';
import { FsError } from './errors.js';
import { IngestDirectory, type Move } from './ingest-directory.js';
import { IngestFile } from './ingest-file.js';
import { lstat } from '../store/files.js';
import {
  type Attr,
  type Caller,
  type Created,
  type DirEntry,
  type FileHandle,
  type Name,
  nameOf,
  type Node,
  type OpenFlags,
} from './node.js';
import { Rewrites } from './rewrites.js';
import type { TreeContext } from './tree.js';
import { tarNumber } from './view/view-number.js';

/** The permissions of a file that is written in the place of a blob, until it is one. */
const REWRITE_MODE = 0o644;

/**
 * `blobs/<algorithm>/`. A digest as a name is a blob: it appears by a commit and never changes. Names that tools
 * give to files not yet complete are ingests.
 */
export class BlobDirectory extends IngestDirectory {
  override readonly validity = { entry: 3600, attr: 1 };
  readonly #algorithm: Algorithm;
  /** The nodes that the kernel remembers. */
  readonly #files = new Map<string, BlobFile>();
  readonly #rewrites = new Rewrites();
  readonly #events: BlobFileEvents = {
    forgotten: (file) => {
      this.#forget(hexOf(file.digest), file);
    },
    truncating: (file, caller) =>
      this.#rewrites.begin(file.digest, caller, () => this.#rewrite(file, caller)),
  };

  constructor(context: TreeContext, algorithm: Algorithm) {
    super(context, `/blobs/${algorithm}`);
    this.#algorithm = algorithm;
  }

  override async attr(): Promise<Attr> {
    const below = lstat(this.context.store.blobs.directory(this.#algorithm));
    const own = await super.attr();
    if (below === undefined) return own;
    const mtime = below.mtimeNs > own.mtime ? below.mtimeNs : own.mtime;
    return { ...attrOf(below), ino: own.ino, mode: own.mode, uid: own.uid, gid: own.gid, mtime };
  }

  override async lookup(name: Name, caller?: Caller): Promise<Node | undefined> {
    if (!isHexOf(this.#algorithm, name)) return this.#isTemporary(name) ? super.lookup(name) : undefined;
    const rewrite = caller && this.#rewrites.find(digestOf(this.#algorithm, name), caller.pid);
    return rewrite ?? this.#blob(name) ?? this.#layer(name);
  }

  override async *entries(): AsyncIterable<readonly DirEntry[]> {
    for await (const names of this.context.store.blobs.names(this.#algorithm)) {
      yield names.map(({ name, ino }) => ({ name: nameOf(name), ino, type: constants.S_IFREG }));
    }
    yield await this.#layers();
    for await (const batch of super.entries()) {
      yield batch.filter(({ name }) => this.#isTemporary(name));
    }
  }

  override async create(name: Name, flags: OpenFlags, mode: number, caller: Caller): Promise<Created> {
    const digest = this.#finalName(name);
    if (digest === undefined) return super.create(name, flags, mode, caller);
    // Without O_EXCL nobody expects EEXIST where another has made it since the kernel looked.
    if ((flags & constants.O_EXCL) !== 0 && this.#blob(name))
      throw new CasError('BLOB_EXISTS', { subject: digest });
    return this.#draft(digest, mode, caller);
  }

  override mkdir(name: Name): Promise<Node> {
    throw new CasError('DIGEST_INVALID', { subject: this.#subject(name), expected: 'a file' });
  }

  override async unlink(name: Name): Promise<void> {
    if (!isHexOf(this.#algorithm, name)) return super.unlink(name);
    const { unpacked, additional } = this.context.store;
    const digest = digestOf(this.#algorithm, name);
    await unpacked.removeBlob(digest, () => additional.checkUnused(digest));
    this.#files.delete(name);
    this.changed();
  }

  async link(node: Node, name: Name): Promise<Node> {
    const digest = this.#finalName(name);
    if (digest === undefined || !(node instanceof IngestFile))
      throw new FsError('EPERM', 'only an ingest to a digest');
    if (node.ingest.committed)
      throw new CasError('INGEST_SEALED', { subject: node.ingest.ref, errno: 'EPERM' });
    await this.context.store.ingests.commit(node.ingest, { digest, keep: true });
    this.changed();
    return this.#blob(name) ?? node;
  }

  override async rename(name: Name, to: Node, toName: Name, flags: number, caller: Caller): Promise<void> {
    if (isHexOf(this.#algorithm, name)) {
      throw new CasError('BLOB_IMMUTABLE', { subject: digestOf(this.#algorithm, name) });
    }
    return super.rename(name, to, toName, flags, caller);
  }

  protected override async receive(move: Move, name: Name): Promise<void> {
    const { named, noReplace } = move;
    const digest = this.#finalName(name);
    if (named === 'directory') throw new FsError('ENOTDIR');
    if (digest === undefined) return super.receive(move, name);
    if (noReplace && this.#blob(name)) throw new CasError('BLOB_EXISTS', { subject: digest });
    // A new file under a known name has replaced a damaged one.
    if (await this.context.store.ingests.commit(named, { digest })) this.#files.delete(name);
    this.changed();
  }

  /** Files that are written under their digest are ingests, but nobody can see them. */
  protected override async named(name: Name): Promise<Named> {
    if (!this.#isTemporary(name)) throw new FsError('ENOENT');
    return super.named(name);
  }

  /**
   * The digest that a name stands for, undefined for a temporary one: hidden (rsync's `.x.AbC`), ending in `.tmp`
   * (regctl), a whole digest with more behind it (crane) or a number of at most 32 bits (crane, where it does not know
   * the digest yet).
   * @throws CasError DIGEST_INVALID for any other, which a user can only have meant as a digest
   */
  #finalName(name: Name): Digest | undefined {
    if (isHexOf(this.#algorithm, name)) return digestOf(this.#algorithm, name);
    if (this.#isTemporary(name)) return undefined;
    throw new CasError('DIGEST_INVALID', {
      subject: this.#subject(name),
      expected: `${HEX_LENGTH[this.#algorithm]} lower-case hex digits`,
    });
  }

  /** See {@link #finalName}. */
  #isTemporary(name: Name): boolean {
    const length = HEX_LENGTH[this.#algorithm];
    return (
      /^\.|\.(tmp|temp|part|partial)$|^\d{1,10}$/.test(name) ||
      (name.length > length && isHexOf(this.#algorithm, name.slice(0, length)))
    );
  }

  /** The names of the tars of layers that are no blobs. */
  async #layers(): Promise<readonly DirEntry[]> {
    const { layerBlobs, store } = this.context;
    if (!layerBlobs || this.#algorithm !== 'sha256') return [];
    await store.layers.load();
    const diffs = new Map(store.layers.all().map(({ diff, number }) => [diff, number]));
    return [...diffs]
      .filter(([diff]) => store.blobs.stat(diff) === undefined)
      .map(([diff, number]) => ({
        name: nameOf(hexOf(diff)),
        ino: tarNumber(number),
        type: constants.S_IFREG,
      }));
  }

  /** The tar of a layer, whose digest that is, in the place of a blob that is not there. */
  async #layer(hex: string): Promise<Node | undefined> {
    const { layerBlobs, store, views } = this.context;
    if (!layerBlobs) return undefined;
    await store.layers.load();
    const digest = digestOf(this.#algorithm, hex);
    const layer = store.layers.all().find(({ diff }) => diff === digest);
    return layer && views.tar(layer);
  }

  #blob(hex: string): BlobFile | undefined {
    const known = this.#files.get(hex);
    if (known) return known;
    const { store, owner } = this.context;
    const digest = digestOf(this.#algorithm, hex);
    const stats = store.blobs.stat(digest);
    if (stats === undefined) return undefined;
    const file = this.#files.get(hex) ?? new BlobFile(store, digest, stats, owner, this.#events);
    this.#files.set(hex, file);
    return file;
  }

  #forget(hex: string, file: BlobFile): void {
    if (this.#files.get(hex) === file) this.#files.delete(hex);
  }

  /** What whoever opens a blob with O_TRUNC finds in its place. */
  #rewrite(file: BlobFile, { pid, uid, gid }: Caller): Node {
    const empty = { ...file.attr(), mode: constants.S_IFREG | REWRITE_MODE, uid, gid, size: 0, blocks: 0 };
    return new BlobRewrite(empty, (caller) => {
      this.#rewrites.end(pid);
      return this.#draft(file.digest, REWRITE_MODE, caller);
    });
  }

  /** A file that is written under its digest, and seen by nobody else until it is committed. */
  async #draft(
    digest: Digest,
    mode: number,
    caller: Caller,
  ): Promise<{ node: BlobDraft; handle: FileHandle }> {
    const hex = hexOf(digest);
    const ingest = await this.#draftIngest(hex, mode, caller);
    const writer = new BlobWriter(ingest, this.context.store.ingests, digest, (isNew) => {
      // A new file under a known name has replaced a damaged one.
      if (isNew) this.#files.delete(hex);
      this.changed();
    });
    return { node: new BlobDraft(ingest, writer, () => this.#blob(hex)), handle: writer };
  }

  async #draftIngest(hex: string, mode: number, caller: Caller): Promise<Ingest> {
    for (;;) {
      const ref = await draftRef(this.context.store.ingests, this.path, hex);
      try {
        return await this.newIngest(ref, mode, caller);
      } catch (error) {
        // Another has taken the ref meanwhile.
        if (!isCasError(error, 'INGEST_EXISTS')) throw error;
      }
    }
  }

  #subject(name: Name): string {
    return `${this.#algorithm}:${name}`;
  }
}
