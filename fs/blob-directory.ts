import { constants } from 'node:fs';
import { type Algorithm, type Digest, digestOf, HEX_LENGTH, hexOf, isHexOf } from '../store/digest.js';
import { CasError, isCasError } from '../store/errors.js';
import { attrOf } from './attr.js';
import { BlobDraft } from './blob-draft.js';
import { BlobFile } from './blob-file.js';
import { BlobWriter } from './blob-writer.js';
import { FsError } from './errors.js';
import { IngestDirectory, type Move } from './ingest-directory.js';
import { IngestFile } from './ingest-file.js';
import { lstat } from '../store/files.js';
import {
  type Attr,
  type Caller,
  type DirEntry,
  type FileHandle,
  type Name,
  nameOf,
  type Node,
  type OpenFlags,
} from './node.js';
import type { TreeContext } from './tree.js';
import { tarNumber } from './view/view-number.js';

/**
 * `blobs/<algorithm>/`. A digest as a name is a blob: it appears by a commit and never changes. Names that tools
 * give to files not yet complete are ingests.
 */
export class BlobDirectory extends IngestDirectory {
  override readonly validity = { entry: 3600, attr: 1 };
  readonly #algorithm: Algorithm;
  /** The nodes that the kernel remembers. */
  readonly #files = new Map<string, BlobFile>();

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

  override async lookup(name: Name): Promise<Node | undefined> {
    return isHexOf(this.#algorithm, name) ? (this.#blob(name) ?? this.#layer(name)) : super.lookup(name);
  }

  override async *entries(): AsyncIterable<readonly DirEntry[]> {
    for await (const names of this.context.store.blobs.names(this.#algorithm)) {
      yield names.map(({ name, ino }) => ({ name: nameOf(name), ino, type: constants.S_IFREG }));
    }
    yield await this.#layers();
    for await (const batch of super.entries()) {
      yield batch.filter(({ name }) => !isHexOf(this.#algorithm, name));
    }
  }

  override async create(
    name: Name,
    flags: OpenFlags,
    mode: number,
    caller: Caller,
  ): Promise<{ node: Node; handle: FileHandle }> {
    const digest = this.#finalName(name);
    if (digest === undefined) return super.create(name, flags, mode, caller);
    if (this.#blob(name)) {
      // It was made since the kernel looked: without O_EXCL nobody expects EEXIST.
      const exclusive = (flags & constants.O_EXCL) !== 0;
      throw new CasError(exclusive ? 'BLOB_EXISTS' : 'BLOB_IMMUTABLE', { subject: digest });
    }
    await this.#dropLeftover(name);
    const { node, handle } = await super.create(name, flags, mode, caller);
    if (!(node instanceof IngestFile)) return { node, handle };
    const writer = new BlobWriter(node.ingest, this.context.store.ingests, digest);
    return { node: new BlobDraft(node.ingest, writer, () => this.#blob(name)), handle: writer };
  }

  override mkdir(name: Name): Promise<Node> {
    throw new CasError('DIGEST_INVALID', { subject: this.#subject(name), expected: 'a file' });
  }

  override async unlink(name: Name): Promise<void> {
    if (!isHexOf(this.#algorithm, name)) return super.unlink(name);
    const { blobs, unpacked, additional } = this.context.store;
    const digest = digestOf(this.#algorithm, name);
    await unpacked.checkUnneeded(digest);
    await additional.checkUnused(digest);
    await blobs.remove(digest);
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

  /**
   * The digest that a name stands for, undefined for a temporary one: hidden (rsync's `.x.AbC`), ending in `.tmp`
   * (regctl) or a whole digest with more behind it (crane).
   * @throws CasError DIGEST_INVALID for any other, which a user can only have meant as a digest
   */
  #finalName(name: Name): Digest | undefined {
    if (isHexOf(this.#algorithm, name)) return digestOf(this.#algorithm, name);
    const length = HEX_LENGTH[this.#algorithm];
    const temporary =
      /^\.|\.(tmp|temp|part|partial)$/.test(name) || isHexOf(this.#algorithm, name.slice(0, length));
    if (temporary) return undefined;
    throw new CasError('DIGEST_INVALID', {
      subject: this.#subject(name),
      expected: `${length} lower-case hex digits`,
    });
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
    const file =
      this.#files.get(hex) ??
      new BlobFile(store, digest, stats, owner, (forgotten) => {
        if (this.#files.get(hex) === forgotten) this.#files.delete(hex);
      });
    this.#files.set(hex, file);
    return file;
  }

  /** Removes what a crash left of an earlier attempt at the same name; one under way keeps the name. */
  async #dropLeftover(name: Name): Promise<void> {
    const { ingests } = this.context.store;
    const left = await ingests.find(this.refOf(name));
    if (left === undefined) return;
    if (left.locked) throw left.busy();
    await ingests.remove(left).catch((error: unknown) => {
      if (!isCasError(error, 'INGEST_NOT_FOUND')) throw error;
    });
  }

  #subject(name: Name): string {
    return `${this.#algorithm}:${name}`;
  }
}
