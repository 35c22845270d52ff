import { type BigIntStats, constants } from 'node:fs';
import type { BlobLabels } from '../store/blob-labels.js';
import type { Blobs } from '../store/blobs.js';
import type { Digest } from '../store/digest.js';
import { CasError } from '../store/errors.js';
import { close, read } from '../store/files.js';
import { getLabel, LABEL_PREFIX, listLabels } from '../store/labels.js';
import { setPathTimes } from '../store/times.js';
import { attrOf } from './attr.js';
import { FsError } from './errors.js';
import {
  type Attr,
  type AttrChanges,
  type Caller,
  type FileHandle,
  type Node,
  type OpenFlags,
  wantsWrite,
} from './node.js';

const DIGEST = 'user.cas.digest';
const COMMITTED = 'user.cas.committed';

/** What happens to a {@link BlobFile}. */
export interface BlobFileEvents {
  forgotten(file: BlobFile): void;
  /** Somebody opens it with O_TRUNC. @throws what the answer is */
  truncating(file: BlobFile, caller: Caller): never;
}

/** A committed blob. Its content never changes, so the kernel may cache it for as long as it likes. */
export class BlobFile implements Node {
  readonly type = constants.S_IFREG;
  readonly validity = { entry: 3600, attr: 3600 };
  readonly digest: Digest;
  readonly #blobs: Blobs;
  readonly #labels: BlobLabels;
  readonly #owner: { uid: number; gid: number };
  readonly #events: BlobFileEvents;
  #stats: BigIntStats;

  constructor(
    { blobs, labels }: { blobs: Blobs; labels: BlobLabels },
    digest: Digest,
    stats: BigIntStats,
    owner: { uid: number; gid: number },
    events: BlobFileEvents,
  ) {
    this.#blobs = blobs;
    this.#labels = labels;
    this.digest = digest;
    this.#stats = stats;
    this.#owner = owner;
    this.#events = events;
  }

  attr(): Attr {
    return attrOf(this.#stats, { mode: constants.S_IFREG | 0o444, ...this.#owner });
  }

  /** Times may be set and permissions taken away; anything that could change the content is refused. */
  setattr(changes: AttrChanges): void {
    const { uid, gid, mode, size, atime, mtime } = changes;
    const refused =
      size !== undefined ||
      (mode !== undefined && (mode & 0o7222) !== 0) ||
      (uid !== undefined && uid !== this.#owner.uid) ||
      (gid !== undefined && gid !== this.#owner.gid);
    if (refused) throw new CasError('BLOB_IMMUTABLE', { subject: this.digest });
    if (atime === undefined && mtime === undefined) return;
    setPathTimes(this.#blobs.path(this.digest), atime, mtime);
    this.#stats = this.#blobs.stat(this.digest) ?? this.#stats;
  }

  async open(flags: OpenFlags, caller: Caller): Promise<FileHandle> {
    if ((flags & constants.O_TRUNC) !== 0) this.#events.truncating(this, caller);
    if (wantsWrite(flags)) {
      throw new CasError('BLOB_IMMUTABLE', { subject: this.digest });
    }
    const fd = await this.#blobs.open(this.digest);
    return {
      mode: { keepCache: true, backing: fd, noFlush: true },
      read: (into, offset) => read(fd, into, offset),
      sync: () => this.#blobs.flush(),
      release: () => close(fd),
    };
  }

  forgotten(): void {
    this.#events.forgotten(this);
  }

  listxattr(): readonly string[] {
    return [DIGEST, COMMITTED, ...listLabels(this.#path).map((key) => LABEL_PREFIX + key)];
  }

  getxattr(name: string): Uint8Array | undefined {
    if (name === DIGEST) return Buffer.from(this.digest);
    if (name === COMMITTED) return Buffer.from(this.#stats.mtime.toISOString());
    return name.startsWith(LABEL_PREFIX) ? getLabel(this.#path, labelOf(name)) : undefined;
  }

  async setxattr(name: string, value: Uint8Array, flags: number): Promise<void> {
    await this.#labels.set(this.digest, labelOf(name), value, flags);
  }

  async removexattr(name: string): Promise<void> {
    await this.#labels.remove(this.digest, labelOf(name));
  }

  get #path(): string {
    return this.#blobs.path(this.digest);
  }
}

function labelOf(name: string): string {
  if (name === DIGEST || name === COMMITTED) throw new FsError('EPERM', 'read-only');
  if (!name.startsWith(LABEL_PREFIX)) throw new FsError('EOPNOTSUPP');
  return name.slice(LABEL_PREFIX.length);
}
