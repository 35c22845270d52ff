import type { Notifier } from '../../answers.js';
import type { NodeId } from '../../inodes.js';
import type { Name } from '../../node.js';
import type { Dispatcher } from './dispatcher.js';
import type { Libfuse } from './library.js';
import type { Pointer } from './structures.js';

/** After this many milliseconds a notice goes out even though requests on its node are under way. */
const PATIENCE = 1000;

/** Called when a notice was sent. Holding what it is given keeps that in memory until then. */
type Callback = (kept?: Buffer) => void;

interface Notice {
  readonly node: NodeId;
  readonly since: number;
  readonly send: (done: Callback) => void;
}

/**
 * Invalidations on their way to the kernel. One waits for a lock of the directory, or of pages of the file, that
 * the kernel may hold for a request until we answer it. So one is sent at a time, on the thread pool, and when no
 * request on its node is under way.
 */
export class Notices implements Notifier {
  readonly #fuse: Libfuse;
  readonly #channel: Pointer;
  readonly #dispatcher: Dispatcher;
  #queue: Notice[] = [];
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(fuse: Libfuse, channel: Pointer, dispatcher: Dispatcher) {
    this.#fuse = fuse;
    this.#channel = channel;
    this.#dispatcher = dispatcher;
    dispatcher.onAnswer = () => this.#send();
  }

  invalidateEntry(parent: NodeId, name: Name): void {
    const bytes = Buffer.from(`${name}\0`, 'latin1');
    this.#add(parent, (done) => {
      const sent = (): void => done(bytes);
      this.#fuse.invalidateEntry.async(this.#channel, parent, bytes, bytes.length - 1, sent);
    });
  }

  invalidateNode(id: NodeId): void {
    this.#add(id, (done) => this.#fuse.invalidateInode.async(this.#channel, id, 0, 0, done));
  }

  /** Drops what waits; settles when nothing is being sent. */
  async stop(): Promise<void> {
    this.#dispatcher.onAnswer = undefined;
    this.#queue = [];
    clearTimeout(this.#timer);
    await this.#sending;
  }

  /** The request in hand is answered, or counted as under way, before the immediate runs. */
  #add(node: NodeId, send: Notice['send']): void {
    this.#queue.push({ node, send, since: performance.now() });
    if (this.#queue.length === 1) setImmediate(() => this.#send());
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
    this.#sending = new Promise<void>((resolve) => notice.send(() => resolve())).then(() => {
      this.#sending = undefined;
      this.#send();
    });
  }
}
