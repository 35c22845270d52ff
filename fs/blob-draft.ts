import type { Ingest } from '../store/ingest/ingest.js';
import type { BlobFile } from './blob-file.js';
import type { BlobWriter } from './blob-writer.js';
import { IngestFile } from './ingest-file.js';
import type { AttrChanges, Caller, FileHandle } from './node.js';

/**
 * The node of a file that is being written under its digest. The first close that finds all bytes makes it a blob, and
 * the kernel keeps this node for the descriptors that are still open: touch(1) closes a duplicate, and then sets the
 * times of the other. utimensat(2) of a descriptor does not tell which open file it came through.
 */
export class BlobDraft extends IngestFile {
  readonly #writer: BlobWriter;
  readonly #blob: () => BlobFile | undefined;

  /** `blob` finds what stands under the digest. */
  constructor(ingest: Ingest, writer: BlobWriter, blob: () => BlobFile | undefined) {
    super(ingest);
    this.#writer = writer;
    this.#blob = blob;
  }

  /** Once it is a blob, what may be changed of that; its size may not, as bytes may not be written. */
  override async setattr(
    changes: AttrChanges,
    caller: Caller,
    handle: FileHandle | undefined,
  ): Promise<void> {
    const blob = this.#writer.committed && changes.size === undefined ? this.#blob() : undefined;
    if (blob === undefined) await super.setattr(changes, caller, handle);
    else blob.setattr(changes);
  }
}
