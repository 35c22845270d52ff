import { availableParallelism, constants } from 'node:os';
import { systemError } from '../../../store/libc.js';
import type { Buffers, Slab } from './buffers.js';
import type { Device } from './device.js';
import type { Dispatcher } from './dispatcher.js';
import { Request } from './request.js';

const { EAGAIN, EINTR, ENODEV, ENOENT } = constants.errno;
/** Requests taken before the event loop goes on with other things. */
const BURST = 64;

/**
 * A client in a loop sends its next request within some 20 µs, one that is woken on a sleeping processor and reads what
 * it writes in 70. For so many milliseconds after a request the event loop is kept turning, so that the processor does
 * not go to sleep, from which a virtual one wakes in 50 to 100 µs. With 0.05, `dd` of 63 MB in pieces of 32 KiB took
 * 0.27 s, with 0.15 to 0.3 it took 0.15.
 */
const LINGER = availableParallelism() > 1 ? 0.2 : 0;

/**
 * Reads requests and dispatches them in the order in which the kernel queued them: an OPEN after a RELEASE must
 * not be seen before it. The event loop tells when one waits; no thread is blocked in a read, which would keep a
 * dying process and its clients.
 *
 * One client's loop over stat of an uncached file, and over create, write of 4 KiB and close, in µs per round on
 * two cores. Best of several runs: event loop 16 and 61, poll(2) on the thread pool 26 and 90, fs.read with one
 * outstanding 32 and 110. Mean of 40 runs: event loop 55 and 106, lingering 30 and 87; lingering in ppoll(2) or by
 * spinning on read(2) was no better.
 */
export class Receiver {
  /** Settles when the kernel has ended the connection; rejects where it was aborted or broke. */
  readonly ended: Promise<void>;
  readonly #device: Device;
  readonly #buffers: Buffers;
  readonly #dispatcher: Dispatcher;
  readonly #end: (error?: Error) => void;
  #slab: Slab;
  #turning = false;
  #last = 0;

  constructor(device: Device, buffers: Buffers, dispatcher: Dispatcher) {
    this.#device = device;
    this.#buffers = buffers;
    this.#dispatcher = dispatcher;
    this.#slab = buffers.take();
    let settle: ((error?: Error) => void) | undefined;
    this.ended = new Promise((resolve, reject) => {
      settle = (error) => (error ? reject(error) : resolve());
    });
    this.#end = (error) => {
      device.unwatch();
      settle?.(error);
    };
  }

  /** Starts to serve. What the watch calls runs outside of a callback scope: promises would not go on after it. */
  start(): void {
    const turn = (): void => {
      const now = performance.now();
      if (this.#drain()) this.#last = now;
      this.#turning = now - this.#last < LINGER;
      if (this.#turning) setImmediate(turn);
    };
    this.#device.watch(() => {
      if (this.#turning) return;
      this.#turning = true;
      setImmediate(turn);
    });
  }

  /** Serves no more, as if the kernel had ended the connection. */
  stop(): void {
    this.#end();
  }

  /** Takes what waits; whether there was anything. */
  #drain(): boolean {
    for (let taken = 0; taken < BURST; taken++) {
      const length = this.#device.receive(this.#slab.inbox);
      if (length > 0) {
        this.#take(length);
      } else if (length === -EAGAIN) {
        return taken > 0;
      } else if (length !== -EINTR && length !== -ENOENT) {
        // ENOENT is a request that was taken back while it was being read.
        this.#end(length === -ENODEV ? undefined : systemError('read', -length, '/dev/fuse'));
        return false;
      }
    }
    return true;
  }

  #take(length: number): void {
    const slab = this.#slab;
    const request = new Request(slab.inbox, length, performance.now());
    this.#dispatcher.dispatch(request);
    if (request.kept === undefined) return;
    this.#slab = this.#buffers.take();
    const give = (): void => this.#buffers.give(slab);
    request.kept.then(give, give);
  }
}
