import { constants } from 'node:fs';
import { virtualInode } from '../attr.js';
import { FsError } from '../errors.js';
import {
  type Attr,
  type AttrChanges,
  type Awaitable,
  type Caller,
  type FileHandle,
  type Node,
  type OpenFlags,
  UNCACHED,
  wantsWrite,
} from '../node.js';
import { Draft } from './draft.js';
import { TextWriter } from './text-writer.js';
import { readBytes } from '../read-bytes.js';

/** What a text file shows, and what becomes of what is written to it. */
export interface TextSource {
  /** Its path in the mount. */
  readonly path: string;
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly permissions: number;
  readonly bytes: Buffer;
  readonly writtenAt: Date;
  /** Tells these bytes from earlier ones. */
  readonly version: number;
  /** The most that may be written, in bytes. */
  readonly limit: number;
  /** Why the last write was refused, if it was. */
  readonly refusal: () => string | undefined;
  /** @throws what a reader gets instead of the text */
  readonly opened: (caller: Caller) => void;
  /**
   * Somebody begins to write: takes what they have written, at the close. That may be called by another process, a child
   * of who has opened it.
   */
  readonly writing: (caller: Caller) => (bytes: Buffer) => Awaitable<void>;
}

const ERROR = 'user.cas.error';

/**
 * One version of a small text. Who opens it for reading sees that version to the end; who opens it for writing has a
 * draft, which counts when it is closed. Each version is a node of its own, so that stat and content of an open file
 * belong together; a writer is shown the size of the version, too.
 */
export class TextFile implements Node {
  readonly type = constants.S_IFREG;
  readonly validity = { entry: 0, attr: 0 };
  readonly #source: TextSource;
  readonly #ino: number;

  constructor(source: TextSource) {
    this.#source = source;
    this.#ino = virtualInode(`${source.path} ${source.version}`);
  }

  attr(): Attr {
    const { owner, permissions, bytes, writtenAt } = this.#source;
    const size = bytes.length;
    const mtime = BigInt(writtenAt.getTime()) * 1_000_000n;
    return {
      ino: this.#ino,
      mode: constants.S_IFREG | permissions,
      nlink: 1,
      ...owner,
      rdev: 0,
      size,
      blksize: 4096,
      blocks: Math.ceil(size / 512),
      atime: mtime,
      mtime,
      ctime: mtime,
    };
  }

  /** Modes, owners and times are taken without effect: `cp -p` and tools set them on what they write. */
  setattr({ size }: AttrChanges, _caller: Caller, handle: FileHandle | undefined): void {
    if (size === undefined) return;
    if (!(handle instanceof TextWriter)) throw new FsError('EPERM', 'only who writes it can cut it');
    handle.truncate(size);
  }

  open(flags: OpenFlags, caller: Caller): FileHandle {
    const { bytes, limit, opened } = this.#source;
    const cut = (flags & constants.O_TRUNC) !== 0;
    if (wantsWrite(flags) || cut) {
      if (!cut) opened(caller);
      return new TextWriter(new Draft(cut ? EMPTY : bytes, limit), cut, this.#source.writing(caller));
    }
    opened(caller);
    return {
      mode: UNCACHED,
      read: (into, offset) => readBytes(bytes, into, offset),
      release: () => undefined,
    };
  }

  listxattr(): readonly string[] {
    return this.#source.refusal() === undefined ? [] : [ERROR];
  }

  getxattr(name: string): Uint8Array | undefined {
    const refusal = name === ERROR ? this.#source.refusal() : undefined;
    return refusal === undefined ? undefined : Buffer.from(refusal);
  }
}

const EMPTY = Buffer.alloc(0);
