import type { Notifier } from '../../answers.js';
import type { NodeId } from '../../inodes.js';
import type { Name } from '../../node.js';
import type { Device } from './device.js';
import type { Dispatcher } from './dispatcher.js';
import { NOTIFY, SIZE } from './protocol.js';
import { Writer } from './wire.js';

/** After this many milliseconds a notice goes out even though requests on its node are under way. */
const PATIENCE = 1000;

interface Notice {
  readonly node: NodeId;
  readonly message: Buffer;
  readonly since: number;
}

/**
 * Invalidations on their way to the kernel. Writing one waits for a lock of the directory, or of pages of the
 * file, that the kernel may hold for a request until we answer it. So one is written at a time, on the thread
 * pool, which therefore needs two threads, and when no request on its node is under way: a thread that waits for
 * such a lock cannot be killed, and a process that has one keeps its clients waiting even after kill -9.
 */
export class Notices implements Notifier {
  readonly #device: Device;
  readonly #dispatcher: Dispatcher;
  #queue: Notice[] = [];
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(device: Device, dispatcher: Dispatcher) {
    this.#device = device;
    this.#dispatcher = dispatcher;
    dispatcher.onAnswer = () => this.#send();
  }

  invalidateEntry(parent: NodeId, name: Name): void {
    const notice = Writer.of(SIZE.INVAL_ENTRY_OUT + name.length + 1);
    notice.u64(parent);
    notice.u32(name.length);
    notice.u32(0);
    notice.name(name);
    notice.zeros(1);
    this.#add(parent, notice.finish(0, NOTIFY.INVAL_ENTRY));
  }

  invalidateNode(id: NodeId): void {
    const notice = Writer.of(SIZE.INVAL_INODE_OUT);
    notice.u64(id);
    notice.zeros(16);
    this.#add(id, notice.finish(0, NOTIFY.INVAL_INODE));
  }

  /** Drops what waits; settles when nothing is being written. */
  async stop(): Promise<void> {
    this.#dispatcher.onAnswer = undefined;
    this.#queue = [];
    clearTimeout(this.#timer);
    await this.#sending;
  }

  /** The request in hand is answered, or counted as under way, before the immediate runs. */
  #add(node: NodeId, message: Buffer): void {
    this.#queue.push({ node, message, since: performance.now() });
    setImmediate(() => this.#send());
  }

  #send(): void {
    if (this.#sending !== undefined || this.#queue.length === 0) return;
    const late = performance.now() - PATIENCE;
    const next = this.#queue.findIndex(
      ({ node, since }) => since <= late || !this.#dispatcher.concerns(node),
    );
    clearTimeout(this.#timer);
    const [notice] = next < 0 ? [] : this.#queue.splice(next, 1);
    if (notice === undefined) {
      this.#timer = setTimeout(() => this.#send(), PATIENCE).unref();
      return;
    }
    this.#sending = this.#device.sendLater(notice.message).then(() => {
      this.#sending = undefined;
      this.#send();
    });
  }
}
