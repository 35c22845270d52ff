import { constants } from 'node:fs';
import { close, fchmod, fdatasync, fstat, ftruncate, lstat, open, read, write } from '../store/files.js';
import { FIELD_LIMIT } from '../store/ingest/clear-shared.js';
import { attrOf, setOwnerAndTimes } from './attr.js';
import { FsError } from './errors.js';
import {
  type Attr,
  type AttrChanges,
  type FileHandle,
  type Node,
  type OpenFlags,
  UNCACHED,
  wantsWrite,
} from './node.js';

const { O_RDONLY, O_RDWR, O_SYNC, O_TRUNC } = constants;

/** A small file that containerd keeps beside the bytes of an ingest: the file of the store itself. */
export class SharedFile implements Node {
  readonly type = constants.S_IFREG;
  /** containerd may change it without us. */
  readonly validity = { entry: 0, attr: 0 };
  readonly #onForgotten: (file: SharedFile) => void;
  #path: string;
  /** Open files, through which it can be seen once its name is gone. */
  readonly #open = new Set<number>();

  constructor(path: string, onForgotten: (file: SharedFile) => void) {
    this.#path = path;
    this.#onForgotten = onForgotten;
  }

  get path(): string {
    return this.#path;
  }

  moved(path: string): void {
    this.#path = path;
  }

  attr(): Attr {
    const [fd] = this.#open;
    const stats = fd === undefined ? lstat(this.#path) : fstat(fd);
    if (stats === undefined) throw new FsError('ENOENT');
    return attrOf(stats, {});
  }

  async setattr(changes: AttrChanges): Promise<void> {
    const { mode, size } = changes;
    if (size !== undefined) checkSize(size);
    // A descriptor of its own: those of others may be read-only, and are closed by them.
    const fd = await open(this.#path, size === undefined ? O_RDONLY : O_RDWR);
    try {
      if (size !== undefined) await ftruncate(fd, size);
      if (mode !== undefined) await fchmod(fd, mode & 0o777);
      setOwnerAndTimes(fd, changes);
    } finally {
      await close(fd);
    }
  }

  async open(flags: OpenFlags): Promise<FileHandle> {
    const access = wantsWrite(flags) ? O_RDWR : O_RDONLY;
    return this.handle(await open(this.#path, access | (flags & (O_TRUNC | O_SYNC))), flags);
  }

  /** The handle of a descriptor, which it closes. */
  handle(fd: number, flags: OpenFlags): FileHandle {
    const now = (flags & O_SYNC) === 0;
    this.#open.add(fd);
    return {
      mode: UNCACHED,
      read: (into, offset) => read(fd, into, offset),
      write: async (data, offset) => {
        checkSize(offset + data.length);
        return { size: await write(fd, data, offset, now) };
      },
      sync: () => fdatasync(fd),
      release: async () => {
        this.#open.delete(fd);
        await close(fd);
      },
    };
  }

  forgotten(): void {
    this.#onForgotten(this);
  }
}

/** What is larger is no field, and would be read as a whole. */
function checkSize(size: number): void {
  if (size > FIELD_LIMIT) throw new FsError('EFBIG');
}
