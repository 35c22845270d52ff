import koffi from 'koffi';

const PAGE = 4096;
/** What one READ or WRITE carries at most: without FUSE_MAX_PAGES, which libfuse 2 does not know, 32 pages. */
export const MAX_TRANSFER = 32 * PAGE;
/** The headers before the data of a WRITE: struct fuse_in_header and fuse_write_in. */
const HEADERS = 80;
const IDLE = 16;

/** Memory for one request or for the data of one reply. */
export interface Slab {
  /** Where a request is read to; the data of a WRITE then starts on a page. */
  readonly message: Buffer;
  /** The address of `message`. */
  readonly base: bigint;
  /** Where the data of a READ goes: whole pages. */
  readonly data: Buffer;
  /** The message must not be overwritten before this settles. */
  kept: Promise<unknown> | undefined;
}

/** Slabs that are used again, the last one given back first since it is still in the processor's cache. */
export class Buffers {
  readonly #idle: Slab[] = [];

  take(): Slab {
    return this.#idle.pop() ?? slab();
  }

  give(slab: Slab): void {
    slab.kept = undefined;
    if (this.#idle.length < IDLE) this.#idle.push(slab);
  }
}

function slab(): Slab {
  const memory = Buffer.allocUnsafeSlow(MAX_TRANSFER + 2 * PAGE);
  const start = 2 * PAGE - Number(koffi.address(memory) % BigInt(PAGE));
  const data = memory.subarray(start, start + MAX_TRANSFER);
  const message = memory.subarray(start - HEADERS, start + MAX_TRANSFER);
  return { message, base: koffi.address(message), data, kept: undefined };
}
