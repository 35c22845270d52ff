import { constants } from 'node:fs';
import { close, open } from '../files.js';
import { limiter } from '../hasher/limiter.js';

interface Descriptor {
  readonly opened: Promise<number>;
  users: number;
  /** Whether it is to be closed when nobody uses it any more. */
  dropped: boolean;
}

/** Descriptors of files that are read, kept open: at most so many, the least recently used are closed. */
export class Descriptors {
  readonly #most: number;
  readonly #inTurn: ReturnType<typeof limiter>;
  /** In the order of their last use. */
  readonly #open = new Map<string, Descriptor>();

  constructor(most = 256) {
    this.#most = most;
    this.#inTurn = limiter(most);
  }

  /** Acts on a descriptor of the file, which stays open meanwhile. */
  use<T>(path: string, action: (fd: number) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const descriptor = this.#descriptor(path);
      descriptor.users++;
      try {
        return await action(await descriptor.opened);
      } finally {
        descriptor.users--;
        if (descriptor.dropped) await this.#drop(descriptor);
      }
    });
  }

  /** Closes the descriptors of the files below a directory. */
  async forget(directory: string): Promise<void> {
    for (const [path, descriptor] of [...this.#open]) {
      if (!path.startsWith(`${directory}/`)) continue;
      this.#open.delete(path);
      await this.#drop(descriptor);
    }
  }

  /** Closes all. */
  async close(): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    for (const descriptor of all) await this.#drop(descriptor);
  }

  #descriptor(path: string): Descriptor {
    const found = this.#open.get(path);
    if (found) this.#open.delete(path);
    const descriptor = found ?? { opened: this.#openIn(path, this.#makeRoom()), users: 0, dropped: false };
    this.#open.set(path, descriptor);
    if (!found) {
      descriptor.opened.catch(() => {
        if (this.#open.get(path) === descriptor) this.#open.delete(path);
      });
    }
    return descriptor;
  }

  async #openIn(path: string, room: Promise<void> | undefined): Promise<number> {
    await room;
    return open(path, constants.O_RDONLY);
  }

  /** There is one that nobody uses: no more are used at a time than may be open. */
  #makeRoom(): Promise<void> | undefined {
    if (this.#open.size < this.#most) return undefined;
    for (const [path, descriptor] of this.#open) {
      if (descriptor.users > 0) continue;
      this.#open.delete(path);
      return this.#drop(descriptor);
    }
    return undefined;
  }

  async #drop(descriptor: Descriptor): Promise<void> {
    descriptor.dropped = descriptor.users > 0;
    if (descriptor.dropped) return;
    const fd = await descriptor.opened.catch(() => undefined);
    if (fd !== undefined) await close(fd);
  }
}
