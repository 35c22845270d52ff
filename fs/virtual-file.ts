import { constants } from 'node:fs';
import { nowNs, virtualInode } from './attr.js';
import { FsError } from './errors.js';
import {
  type Attr,
  type Awaitable,
  type FileHandle,
  type Node,
  type OpenFlags,
  type Validity,
  UNCACHED,
  wantsWrite,
} from './node.js';
import { readBytes } from './read-bytes.js';

/** The times of all of them: tar and rsync take a file whose times move for one that changes while they read it. */
const MADE = nowNs();

/**
 * A read-only file whose text is made when it is opened. Its size is shown as 0, as in /proc: any other would be that
 * of another text by the time it is read. What reads to the end (cat, cp, jq, grep) gets the text; what trusts the
 * size (tar, rsync) takes an empty file, and does not complain.
 */
export class VirtualFile implements Node {
  readonly type = constants.S_IFREG;
  readonly validity: Validity = { entry: 3600, attr: 3600 };
  readonly #attr: Attr;
  readonly #text: () => Awaitable<string>;

  /** `path` is its path in the mount, from which its inode number is made. */
  constructor(path: string, owner: { uid: number; gid: number }, text: () => Awaitable<string>) {
    this.#text = text;
    this.#attr = {
      ino: virtualInode(path),
      mode: constants.S_IFREG | 0o444,
      nlink: 1,
      ...owner,
      rdev: 0,
      size: 0,
      blksize: 4096,
      blocks: 0,
      atime: MADE,
      mtime: MADE,
      ctime: MADE,
    };
  }

  attr(): Attr {
    return this.#attr;
  }

  async open(flags: OpenFlags): Promise<FileHandle> {
    if (wantsWrite(flags) || (flags & constants.O_TRUNC) !== 0) throw new FsError('EROFS');
    const text = Buffer.from(await this.#text());
    return {
      mode: UNCACHED,
      read: (into, offset) => readBytes(text, into, offset),
      release: () => undefined,
    };
  }
}
