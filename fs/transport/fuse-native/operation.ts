import type { FileSystem } from '../../filesystem.js';
import type { Awaitable } from '../../node.js';
import type { Buffers } from './buffers.js';
import type { Call } from './call.js';
import type { Libfuse } from './library.js';
import type { Pointer } from './structures.js';

/** What handlers work with. */
export interface Context {
  readonly filesystem: FileSystem;
  readonly fuse: Libfuse;
  readonly buffers: Buffers;
}

/** How a request is answered. */
export interface Reply {
  /** Calls the function of libfuse that replies, and nothing else that may throw. */
  readonly send: (request: Pointer) => unknown;
  /** Called afterwards; not `taken`: the kernel has given the request up, and what was said never happened. */
  readonly sent?: (taken: boolean) => void;
}

/** What is done with one kind of request. */
export interface Operation {
  readonly name: string;
  /** The types in C of what follows the request. */
  readonly parameters: readonly string[];
  /** Which of the arguments are node numbers. */
  readonly nodes: readonly number[];
  /** Not told to the observer, as the kernel waits for no answer. */
  readonly silent: boolean;
  /** Acts on a request and says how it is answered. What the arguments point to is gone after the first wait. */
  readonly handle: (context: Context, call: Call, args: readonly unknown[]) => Awaitable<Reply>;
}

/** A handler whose arguments have the types that its operation declares. */
export type Handler<A extends readonly unknown[]> = (
  context: Context,
  call: Call,
  ...args: A
) => Awaitable<Reply>;

/** Describes an operation; `nodes` defaults to the first argument. */
export function operation<A extends readonly unknown[]>(
  name: string,
  parameters: readonly string[],
  handler: Handler<A>,
  { nodes = [0], silent = false }: Partial<Pick<Operation, 'nodes' | 'silent'>> = {},
): Operation {
  const handle: Operation['handle'] = (context, call, args) =>
    handler(context, call, ...(args as unknown as A));
  return { name, parameters, nodes, silent, handle };
}

/** Goes on with `value` at once where it is no promise. */
export function then<T, U>(value: Awaitable<T>, next: (value: T) => U): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Success without more to say. */
export function done({ fuse }: Context): Reply {
  return { send: (request) => fuse.replyError(request, 0) };
}
