import { constants } from 'node:fs';
import type { BlobDraft } from './blob-draft.js';
import { FsError } from './errors.js';
import type { Attr, AttrChanges, Caller, FileHandle, Node, OpenFlags } from './node.js';

/**
 * What stands in the place of a blob for the one thread that opens it with O_TRUNC, and for nobody else. The open makes
 * a draft of it, so that writing ends as it does where there is no blob, and whoever reads the blob has another inode.
 */
export class BlobRewrite implements Node {
  readonly type = constants.S_IFREG;
  /** Nobody may find it again. */
  readonly validity = { entry: 0, attr: 0 };
  readonly #empty: Attr;
  readonly #make: (caller: Caller) => Promise<{ node: BlobDraft; handle: FileHandle }>;
  #draft: BlobDraft | undefined;

  /** `empty` are the attributes until it is open; `make` makes the draft. */
  constructor(empty: Attr, make: (caller: Caller) => Promise<{ node: BlobDraft; handle: FileHandle }>) {
    this.#empty = empty;
    this.#make = make;
  }

  attr(): Attr {
    return this.#draft?.attr() ?? this.#empty;
  }

  async open(flags: OpenFlags, caller: Caller): Promise<FileHandle> {
    if (this.#draft !== undefined) return this.#draft.open(flags, caller);
    const { node, handle } = await this.#make(caller);
    this.#draft = node;
    return handle;
  }

  setattr(changes: AttrChanges, caller: Caller, handle: FileHandle | undefined): Promise<void> {
    return this.#opened.setattr(changes, caller, handle);
  }

  listxattr(): readonly string[] {
    return this.#opened.listxattr();
  }

  getxattr(name: string): Promise<Uint8Array | undefined> {
    return this.#opened.getxattr(name);
  }

  setxattr(name: string, value: Uint8Array): Promise<void> {
    return this.#opened.setxattr(name, value);
  }

  removexattr(name: string): Promise<void> {
    return this.#opened.removexattr(name);
  }

  get #opened(): BlobDraft {
    if (this.#draft === undefined) throw new FsError('ESTALE');
    return this.#draft;
  }
}
