import { availableParallelism, constants } from 'node:os';
import koffi from 'koffi';
import { systemError } from '../../../store/libc.js';
import type { Buffers, Slab } from './buffers.js';
import type { Session } from './session.js';

const { EAGAIN, EINTR, ENODEV, ENOENT } = constants.errno;
/** Requests taken before the event loop goes on with other things. */
const BURST = 64;
/** For so many milliseconds after a request the event loop is kept turning, see the kernel transport's receiver. */
const LINGER = availableParallelism() > 1 ? 0.05 : 0;

/** Bound without a check: EAGAIN comes once per burst and must not cost an exception. */
const read = koffi.load(null).func('long read(int fd, void *buffer, size_t length)');

/** Reads requests and has libfuse process them, on the main thread, where no thread is left to wait for in the end. */
export class Receiver {
  /** Settles when the kernel has ended the connection; rejects where it broke. */
  readonly ended: Promise<void>;
  readonly #session: Session;
  readonly #buffers: Buffers;
  #slab: Slab;
  #watch: ReturnType<typeof koffi.node.poll> | undefined;
  #end: (error?: Error) => void = () => undefined;
  #turning = false;
  #last = 0;

  constructor(session: Session, buffers: Buffers) {
    this.#session = session;
    this.#buffers = buffers;
    this.#slab = buffers.take();
    this.ended = new Promise((resolve, reject) => {
      this.#end = (error) => (error ? reject(error) : resolve());
    });
  }

  /** Where the request lies that is being processed. */
  get slab(): Slab {
    return this.#slab;
  }

  /** Starts to serve. What the watch calls runs outside of a callback scope: promises would not go on after it. */
  start(): void {
    const turn = (): void => {
      const now = performance.now();
      if (this.#drain()) this.#last = now;
      this.#turning = now - this.#last < LINGER;
      if (this.#turning) setImmediate(turn);
    };
    this.#watch = koffi.node.poll(this.#session.fd, { readable: true }, () => {
      if (this.#turning) return;
      this.#turning = true;
      setImmediate(turn);
    });
  }

  /** Serves no more, as if the kernel had ended the connection. */
  stop(error?: Error): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#end(error);
  }

  /** Takes what waits; whether there was anything. */
  #drain(): boolean {
    for (let taken = 0; taken < BURST; taken++) {
      if (this.#watch === undefined) return false;
      const { message } = this.#slab;
      const length = read(this.#session.fd, message, message.length) as number;
      if (length > 0) {
        this.#take(length);
        continue;
      }
      const errno = koffi.errno();
      if (errno === EAGAIN) return taken > 0;
      // ENOENT is a request that was taken back while it was being read.
      if (errno === EINTR || errno === ENOENT) continue;
      this.stop(errno === ENODEV ? undefined : systemError('read', errno, '/dev/fuse'));
      return false;
    }
    return true;
  }

  #take(length: number): void {
    const slab = this.#slab;
    this.#session.process(slab.message, length);
    if (slab.kept === undefined) return;
    this.#slab = this.#buffers.take();
    const give = (): void => this.#buffers.give(slab);
    slab.kept.then(give, give);
  }
}
