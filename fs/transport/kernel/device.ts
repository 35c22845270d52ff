import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import koffi from 'koffi';
import { self } from '../../../store/libc.js';

/** Bound without a check: EAGAIN comes once per burst and must not cost an exception. */
const read = self.func('long read(int fd, void *buffer, size_t length)');
const write = self.func('long write(int fd, const void *buffer, size_t length)');

/** A connection to the kernel: /dev/fuse, opened non-blocking and mounted. */
export class Device {
  readonly #fd: number;
  #watch: ReturnType<typeof koffi.node.poll> | undefined;
  #open = true;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Reads one request; its length, or a negative errno (EAGAIN where none waits). */
  receive(into: Buffer): number {
    if (!this.#open) return -constants.errno.ENODEV;
    const length = read(this.#fd, into, into.length) as number;
    return length < 0 ? -koffi.errno() : length;
  }

  /** Writes one message; 0 or an errno. */
  send(message: Buffer): number {
    if (!this.#open) return constants.errno.ENODEV;
    return (write(this.#fd, message, message.length) as number) < 0 ? koffi.errno() : 0;
  }

  /** Writes one message on the thread pool, whatever becomes of it. */
  sendLater(message: Buffer): Promise<void> {
    if (!this.#open) return Promise.resolve();
    return new Promise((resolve) => {
      write.async(this.#fd, message, message.length, () => resolve());
    });
  }

  /** Calls `ready` each time round the event loop while a request waits, and when the connection has ended. */
  watch(ready: () => void): void {
    this.#watch = koffi.node.poll(this.#fd, { readable: true }, ready);
  }

  unwatch(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  /** Ends the connection: requests that have no answer fail. */
  close(): void {
    if (!this.#open) return;
    this.unwatch();
    this.#open = false;
    closeSync(this.#fd);
  }
}
