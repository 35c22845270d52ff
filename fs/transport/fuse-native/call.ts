import koffi from 'koffi';
import type { NodeId } from '../../inodes.js';
import type { Caller, Name } from '../../node.js';
import type { Slab } from './buffers.js';
import type { Pointer } from './structures.js';

/** One request that libfuse has called us with, and at the same time its caller. */
export class Call implements Caller {
  /** What libfuse knows the request by until it is answered. */
  readonly pointer: Pointer;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /** Zero except for requests that create something; the kernel has applied it to their mode already. */
  readonly umask: number;
  /** The nodes that it is about. */
  readonly nodes: readonly NodeId[];
  /** In milliseconds of performance.now(). */
  readonly began = performance.now();
  readonly #slab: Slab;
  readonly #watch: () => void;
  #abort: AbortController | undefined;
  #interrupted = false;

  /** `caller` is the address of its struct fuse_ctx, `slab` holds its message, `watch` asks to be told of interrupts. */
  constructor(pointer: Pointer, caller: Pointer, nodes: readonly NodeId[], slab: Slab, watch: () => void) {
    this.pointer = pointer;
    this.uid = koffi.decode.uint32(caller);
    this.gid = koffi.decode.uint32(caller + 4n);
    this.pid = koffi.decode.uint32(caller + 8n);
    this.umask = koffi.decode.uint32(caller + 12n);
    this.nodes = nodes;
    this.#slab = slab;
    this.#watch = watch;
  }

  /** Made when first asked for: few handlers can be interrupted. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      this.#watch();
      if (this.#interrupted) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  get interrupted(): boolean {
    return this.#interrupted;
  }

  interrupt(): void {
    this.#interrupted = true;
    this.#abort?.abort();
  }

  /** The name that ends with a NUL byte at `at` in the message. Valid, as the others are, before the first wait. */
  name(at: Pointer): Name {
    return this.#string(at, 'latin1') as Name;
  }

  /** The text that ends with a NUL byte at `at` in the message. */
  text(at: Pointer): string {
    return this.#string(at, 'utf8');
  }

  /** Bytes of the message, not copied: valid until the promise given to {@link keep} settles. */
  bytes(at: Pointer, length: number): Buffer {
    const start = this.#offset(at);
    return this.#slab.message.subarray(start, start + length);
  }

  /** Keeps the message from being overwritten. */
  keep(until: Promise<unknown> | undefined): void {
    this.#slab.kept = until;
  }

  #string(at: Pointer, encoding: 'latin1' | 'utf8'): string {
    const start = this.#offset(at);
    return this.#slab.message.toString(encoding, start, this.#slab.message.indexOf(0, start));
  }

  #offset(at: Pointer): number {
    return Number(at - this.#slab.base);
  }
}
