import type { FileSystem } from '../../filesystem.js';
import type { Awaitable } from '../../node.js';
import type { Buffers } from './buffers.js';
import type { Agreement } from './init.js';
import type { Backings } from './passthrough.js';
import type { Request } from './request.js';
import type { Writer } from './wire.js';

/** What handlers work with. */
export interface Context {
  readonly filesystem: FileSystem;
  readonly buffers: Buffers;
  readonly backings: Backings;
  /** Every file is immutable, and none is ever opened: requests name nodes, not handles. */
  readonly stateless: boolean;
  /** INIT was answered with this, or refused. */
  initialized(outcome: Agreement | Error): void;
  /** Tells the request with this number, if it is under way, that its caller was interrupted. */
  interrupt(unique: number): void;
}

/**
 * Acts on a request and returns the reply; undefined for one without payload. The body is read before the first
 * wait: its buffer is used for the next request.
 */
export type Handler = (context: Context, request: Request) => Awaitable<Writer | undefined>;

/** What is done with one kind of request. */
export interface Operation {
  readonly name: string;
  /** A handler, or the errno that every such request gets. */
  readonly handle: Handler | number;
  /** The kernel wants no reply. */
  readonly silent?: boolean;
}

/** Goes on with `value` at once where it is no promise. */
export function then<T, U>(value: Awaitable<T>, next: (value: T) => U): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
