import { constants } from 'node:fs';
import { nowNs, virtualInode } from './attr.js';
import { type Attr, type Name, nameOf, type Nanoseconds, type Node, type Validity } from './node.js';

/** A symbolic link of the daemon's own. */
export class Symlink implements Node {
  readonly type = constants.S_IFLNK;
  readonly validity: Validity = { entry: 0, attr: 0 };
  readonly #attr: Attr;
  readonly #target: string;

  /** `path` is its path in the mount, from which its inode number is made; `time` is when it was made. */
  constructor(
    path: string,
    owner: { readonly uid: number; readonly gid: number },
    target: string,
    time: Nanoseconds = nowNs(),
  ) {
    this.#target = target;
    this.#attr = {
      ino: virtualInode(`${path} -> ${target}`),
      mode: constants.S_IFLNK | 0o777,
      nlink: 1,
      ...owner,
      rdev: 0,
      size: Buffer.byteLength(target),
      blksize: 4096,
      blocks: 0,
      atime: time,
      mtime: time,
      ctime: time,
    };
  }

  attr(): Attr {
    return this.#attr;
  }

  readlink(): Name {
    return nameOf(this.#target);
  }
}
