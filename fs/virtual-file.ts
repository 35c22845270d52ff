import { constants } from 'node:fs';
import { nowNs, virtualInode } from './attr.js';
import { FsError } from './errors.js';
import { type Attr, type FileHandle, type Node, type OpenFlags, wantsWrite } from './node.js';

/** A read-only file whose text is made when it is opened. */
export class VirtualFile implements Node {
  readonly type = constants.S_IFREG;
  readonly validity = { entry: 3600, attr: 0 };
  readonly #ino: number;
  /** Its times: tar and rsync take a file whose times move for one that changes while they read it. */
  readonly #made = nowNs();
  readonly #text: () => string;
  readonly #owner: { uid: number; gid: number };

  /** `path` is its path in the mount, from which its inode number is made. */
  constructor(path: string, owner: { uid: number; gid: number }, text: () => string) {
    this.#ino = virtualInode(path);
    this.#owner = owner;
    this.#text = text;
  }

  attr(): Attr {
    return {
      ino: this.#ino,
      mode: constants.S_IFREG | 0o444,
      nlink: 1,
      ...this.#owner,
      rdev: 0,
      size: Buffer.byteLength(this.#text()),
      blksize: 4096,
      blocks: 0,
      atime: this.#made,
      mtime: this.#made,
      ctime: this.#made,
    };
  }

  open(flags: OpenFlags): FileHandle {
    if (wantsWrite(flags)) throw new FsError('EROFS');
    const text = Buffer.from(this.#text());
    return {
      mode: { direct: true, noFlush: true },
      read: (into, offset) => text.copy(into, 0, offset),
      release: () => undefined,
    };
  }
}
