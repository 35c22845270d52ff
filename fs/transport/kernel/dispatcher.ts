import { constants } from 'node:os';
import { errnoOf } from '../../errors.js';
import type { NodeId } from '../../inodes.js';
import type { Observer } from '../transport.js';
import type { Device } from './device.js';
import type { Context, Operation } from './operation.js';
import { OPERATIONS, STATELESS_OPERATIONS } from './operations.js';
import type { Request } from './request.js';
import { Writer } from './wire.js';

const { EINTR, EIO, EINVAL, ENOSYS, EOPNOTSUPP } = constants.errno;
/** The kernel takes no errno from here on. */
const LIMIT = 512;

/** Takes requests to their handlers and answers each exactly once. Nothing is thrown past it. */
export class Dispatcher {
  /** Called when a request that was under way has been answered. */
  onAnswer: (() => void) | undefined;
  readonly #device: Device;
  readonly #context: Context;
  readonly #operations: ReadonlyMap<number, Operation>;
  readonly #observer: Observer;
  readonly #underway = new Map<number, Request>();
  #settled: (() => void) | undefined;

  constructor(device: Device, context: Context, observer: Observer) {
    this.#device = device;
    this.#context = context;
    this.#operations = context.stateless ? STATELESS_OPERATIONS : OPERATIONS;
    this.#observer = observer;
  }

  /** How many requests are under way. */
  get pending(): number {
    return this.#underway.size;
  }

  /** Whether a request on that node is under way. The kernel may hold locks of the node until it is answered. */
  concerns(node: NodeId): boolean {
    for (const request of this.#underway.values()) {
      if (request.node === node || request.alsoNode === node) return true;
    }
    return false;
  }

  /** Tells the request that nobody waits for it any more. */
  interrupt(unique: number): void {
    this.#underway.get(unique)?.interrupt();
  }

  /** Interrupts all requests under way; settles when the last has come to its end. */
  async settle(): Promise<void> {
    for (const request of this.#underway.values()) request.interrupt();
    if (this.#underway.size > 0) await new Promise<void>((resolve) => (this.#settled = resolve));
  }

  dispatch(request: Request): void {
    const operation = this.#operations.get(request.opcode) ?? {
      name: `OPCODE_${request.opcode}`,
      handle: ENOSYS,
    };
    if (typeof operation.handle === 'number') {
      this.#answer(request, operation, operation.handle);
      return;
    }
    try {
      const reply = operation.handle(this.#context, request);
      if (reply instanceof Promise) this.#await(request, operation, reply);
      else this.#answer(request, operation, 0, reply);
    } catch (error) {
      this.#fail(request, operation, error);
    }
  }

  #await(request: Request, operation: Operation, reply: Promise<Writer | undefined>): void {
    this.#underway.set(request.unique, request);
    void reply
      .then(
        (writer) => this.#answer(request, operation, 0, writer),
        (error: unknown) => this.#fail(request, operation, error),
      )
      .finally(() => {
        this.#underway.delete(request.unique);
        if (this.#underway.size === 0) this.#settled?.();
        this.onAnswer?.();
      });
  }

  #fail(request: Request, operation: Operation, error: unknown): void {
    const errno = this.#errno(request, operation, error);
    this.#answer(request, operation, errno > 0 && errno < LIMIT ? errno : EIO, undefined, error);
  }

  /**
   * ENOSYS from below must not reach the kernel, which would take it for the answer to all such requests.
   * What an interrupted handler fails with for want of an errno is the abort that it was told of.
   */
  #errno(request: Request, operation: Operation, error: unknown): number {
    const errno = knownErrno(error);
    if (errno === ENOSYS) return EOPNOTSUPP;
    if (errno !== undefined) return errno;
    if (request.interrupted) return EINTR;
    this.#defect(operation, error);
    return EIO;
  }

  #answer(request: Request, operation: Operation, errno: number, reply?: Writer, error?: unknown): void {
    if (operation.silent) return;
    const message = (errno === 0 && reply ? reply : Writer.of(0)).finish(request.unique, -errno);
    const refused = this.#device.send(message);
    reply?.sent();
    // ENOENT: the request is gone, its caller was killed. ENODEV: the mount is. Neither waits for an answer.
    if (refused === EINVAL) {
      this.#defect(operation, new Error(`the kernel refused a reply of ${message.length} bytes`));
      this.#device.send(Writer.of(0).finish(request.unique, -EIO));
    }
    const milliseconds = performance.now() - request.began;
    this.#report(() => this.#observer.answered(operation.name, errno, milliseconds, error));
  }

  #defect(operation: Operation, error: unknown): void {
    this.#report(() => this.#observer.defect(operation.name, error));
  }

  #report(tell: () => void): void {
    try {
      tell();
    } catch {
      // An observer that fails must not cost a reply.
    }
  }
}

/** Even to look at what was thrown may throw. */
function knownErrno(error: unknown): number | undefined {
  try {
    return errnoOf(error);
  } catch {
    return undefined;
  }
}
