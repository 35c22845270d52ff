import type { NodeId } from '../../inodes.js';
import type { Caller } from '../../node.js';
import { SIZE } from './protocol.js';
import { Reader } from './wire.js';

/** One request of the kernel, and at the same time its caller. */
export class Request implements Caller {
  readonly opcode: number;
  readonly unique: number;
  readonly node: NodeId;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /** Only requests that create something carry it; the kernel has applied it to their mode already. */
  umask = 0;
  /** The second directory of RENAME. */
  alsoNode: NodeId = 0;
  /** Its buffer must not be used for another request before this settles. */
  kept: Promise<unknown> | undefined;
  readonly body: Reader;
  /** In milliseconds of performance.now(). */
  readonly began: number;
  #abort: AbortController | undefined;
  #interrupted = false;

  /** The request that fills the first `length` bytes of `bytes`. */
  constructor(bytes: Buffer, length: number, began: number) {
    const header = new Reader(bytes, 4, length);
    this.opcode = header.u32();
    this.unique = header.u64();
    this.node = header.u64();
    this.uid = header.u32();
    this.gid = header.u32();
    this.pid = header.u32();
    this.body = new Reader(bytes, SIZE.IN_HEADER, length);
    this.began = began;
  }

  /** Made when first asked for: few handlers can be interrupted. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#interrupted) this.#abort.abort();
    return this.#abort.signal;
  }

  get interrupted(): boolean {
    return this.#interrupted;
  }

  interrupt(): void {
    this.#interrupted = true;
    this.#abort?.abort();
  }
}
