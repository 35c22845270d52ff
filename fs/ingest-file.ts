import { constants } from 'node:fs';
import { CasError } from '../store/errors.js';
import { alter, setPermissions } from '../store/ingest/attributes.js';
import type { Ingest } from '../store/ingest/ingest.js';
import { attrOf, setOwnerAndTimes } from './attr.js';
import { getIngestXattr, listIngestXattrs, removeIngestXattr, setIngestXattr } from './ingest-xattrs.js';
import { IngestWriter, readIngest } from './ingest-handle.js';
import type { Attr, AttrChanges, Caller, FileHandle, Node, OpenFlags } from './node.js';
import { wantsWrite } from './node.js';

/** An ingest as a file: bytes that may still change, so the kernel caches nothing of it. */
export class IngestFile implements Node {
  readonly type = constants.S_IFREG;
  /** An entry validity of 0 makes the kernel look the name up again after a rename made it a blob. */
  readonly validity = { entry: 0, attr: 0 };
  readonly ingest: Ingest;

  constructor(ingest: Ingest) {
    this.ingest = ingest;
  }

  attr(): Attr {
    const { permissions } = this.ingest.keeper;
    return attrOf(
      this.ingest.stat(),
      permissions === undefined ? {} : { mode: constants.S_IFREG | permissions },
    );
  }

  async setattr(changes: AttrChanges, caller: Caller, handle: FileHandle | undefined): Promise<void> {
    const { ingest } = this;
    if (ingest.committed) throw new CasError('BLOB_IMMUTABLE', { subject: ingest.ref });
    if (changes.size !== undefined) await this.#truncate(changes.size, caller, handle);
    const { mode } = changes;
    if (mode !== undefined) await setPermissions(ingest, mode & 0o777);
    await alter(ingest, (fd) => {
      setOwnerAndTimes(fd, changes);
    });
  }

  async open(flags: OpenFlags, { pid }: Caller): Promise<FileHandle> {
    const { ingest } = this;
    if (!wantsWrite(flags)) {
      return readIngest(ingest);
    }
    if (ingest.committed) throw new CasError('BLOB_IMMUTABLE', { subject: ingest.ref });
    ingest.lock(pid);
    try {
      if ((flags & constants.O_TRUNC) !== 0) await ingest.truncate(0);
      else await ingest.open();
      return new IngestWriter(ingest);
    } catch (error) {
      ingest.unlock();
      throw error;
    }
  }

  listxattr(): readonly string[] {
    return listIngestXattrs(this.ingest);
  }

  getxattr(name: string): Promise<Uint8Array | undefined> {
    return getIngestXattr(this.ingest, name);
  }

  setxattr(name: string, value: Uint8Array): Promise<void> {
    return setIngestXattr(this.ingest, name, value);
  }

  removexattr(name: string): Promise<void> {
    return removeIngestXattr(this.ingest, name);
  }

  /** Only the writer may cut a file that is being written. */
  async #truncate(size: number, { pid }: Caller, handle: FileHandle | undefined): Promise<void> {
    const { ingest } = this;
    if (handle instanceof IngestWriter) {
      await ingest.truncate(size);
      return;
    }
    ingest.lock(pid);
    try {
      await ingest.truncate(size);
    } finally {
      ingest.unlock();
    }
  }
}
