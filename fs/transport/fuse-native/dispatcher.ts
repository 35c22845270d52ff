import { constants } from 'node:os';
import { errnoOf } from '../../errors.js';
import type { NodeId } from '../../inodes.js';
import type { Observer } from '../transport.js';
import type { Slab } from './buffers.js';
import { Call } from './call.js';
import type { Context, Operation, Reply } from './operation.js';
import type { Pointer } from './structures.js';

const { EINTR, EIO, ENOENT, ENOSYS, EOPNOTSUPP } = constants.errno;
/** The kernel takes no errno from here on. */
const LIMIT = 512;

/** Takes what libfuse calls to the handlers, and has each request answered exactly once. Nothing is thrown past it. */
export class Dispatcher {
  /** Called when a request that was under way has been answered. */
  onAnswer: (() => void) | undefined;
  readonly #context: Context;
  readonly #observer: Observer;
  readonly #onInterrupt: Pointer;
  readonly #underway = new Map<Pointer, Call>();
  #connected = true;
  #settled: (() => void) | undefined;

  /** `onInterrupt` is a C function that takes a request to {@link interrupt}. */
  constructor(context: Context, observer: Observer, onInterrupt: Pointer) {
    this.#context = context;
    this.#observer = observer;
    this.#onInterrupt = onInterrupt;
  }

  /** How many requests are under way. */
  get pending(): number {
    return this.#underway.size;
  }

  /** Whether a request on that node is under way. The kernel may hold locks of the node until it is answered. */
  concerns(node: NodeId): boolean {
    for (const { nodes } of this.#underway.values()) if (nodes.includes(node)) return true;
    return false;
  }

  /** Tells the request that nobody waits for it any more. */
  interrupt(request: Pointer): void {
    this.#underway.get(request)?.interrupt();
  }

  /** The connection is gone: interrupts what is under way, answers no more; settles when the last is at its end. */
  async settle(): Promise<void> {
    this.#connected = false;
    for (const call of this.#underway.values()) call.interrupt();
    if (this.#underway.size > 0) await new Promise<void>((resolve) => (this.#settled = resolve));
  }

  /** Serves a request whose message is in `slab`. */
  dispatch(operation: Operation, slab: Slab, request: Pointer, args: readonly unknown[]): void {
    const { fuse } = this.#context;
    const nodes = operation.nodes.map((index) => Number(args[index]));
    const watch = (): unknown => fuse.onInterrupt(request, this.#onInterrupt, null);
    const call = new Call(request, fuse.context(request) as Pointer, nodes, slab, watch);
    this.#underway.set(request, call);
    try {
      const reply = operation.handle(this.#context, call, args);
      if (reply instanceof Promise) this.#await(operation, call, reply);
      else this.#finish(operation, call, reply, 0);
    } catch (error) {
      this.#fail(operation, call, error);
    }
  }

  #await(operation: Operation, call: Call, reply: Promise<Reply>): void {
    void reply.then(
      (how) => this.#finish(operation, call, how, 0),
      (error: unknown) => this.#fail(operation, call, error),
    );
  }

  #fail(operation: Operation, call: Call, error: unknown): void {
    const found = this.#errno(operation, call, error);
    const errno = found > 0 && found < LIMIT ? found : EIO;
    const send = (request: Pointer): unknown => this.#context.fuse.replyError(request, errno);
    this.#finish(operation, call, { send }, errno, error);
  }

  #finish(operation: Operation, call: Call, reply: Reply, errno: number, error?: unknown): void {
    this.#underway.delete(call.pointer);
    const taken = this.#connected && this.#send(operation, call, reply);
    this.#attempt(operation, () => reply.sent?.(taken));
    if (!operation.silent) {
      const took = performance.now() - call.began;
      this.#attempt(undefined, () => this.#observer.answered(operation.name, errno, took, error));
    }
    if (this.#underway.size === 0) this.#settled?.();
    this.onAnswer?.();
  }

  /** Whether the kernel still waited. An argument that koffi cannot convert leaves the request unanswered. */
  #send(operation: Operation, { pointer }: Call, reply: Reply): boolean {
    try {
      return reply.send(pointer) !== -ENOENT;
    } catch (error) {
      this.#defect(operation, error);
      this.#context.fuse.replyError(pointer, EIO);
      return false;
    }
  }

  /**
   * ENOSYS from below must not reach the kernel, which would take it for the answer to all such requests.
   * What an interrupted handler fails with for want of an errno is the abort that it was told of.
   */
  #errno(operation: Operation, call: Call, error: unknown): number {
    const errno = errnoOf(error);
    if (errno === ENOSYS) return EOPNOTSUPP;
    if (errno !== undefined) return errno;
    if (call.interrupted) return EINTR;
    this.#defect(operation, error);
    return EIO;
  }

  #defect(operation: Operation, error: unknown): void {
    this.#attempt(undefined, () => this.#observer.defect(operation.name, error));
  }

  /** What fails is a defect of `operation`; without one it is the observer's, and nobody is left to tell. */
  #attempt(operation: Operation | undefined, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (operation) this.#defect(operation, error);
    }
  }
}
