import koffi from 'koffi';
import { MAX_TRANSFER, SIZE } from './protocol.js';

const PAGE = 4096;
const IDLE = 24;

/**
 * Memory for one request or one large reply. Data of WRITE and READ starts on a page, whatever the headers
 * before it: the kernel pins one page for each that it copies and not two.
 */
export interface Slab {
  /** Where a request is read to. */
  readonly inbox: Buffer;
  /** Where the reply to a READ is written, header first. */
  readonly outbox: Buffer;
}

/** Slabs that are used again, the last one given back first since it is still in the processor's cache. */
export class Buffers {
  readonly #idle: Slab[] = [];

  take(): Slab {
    return this.#idle.pop() ?? slab();
  }

  give(slab: Slab): void {
    if (this.#idle.length < IDLE) this.#idle.push(slab);
  }
}

function slab(): Slab {
  const memory = Buffer.allocUnsafeSlow(MAX_TRANSFER + 3 * PAGE);
  const data = PAGE + (PAGE - Number(koffi.address(memory) % BigInt(PAGE)));
  const end = data + MAX_TRANSFER;
  return {
    inbox: memory.subarray(data - SIZE.IN_HEADER - SIZE.WRITE_IN, end),
    outbox: memory.subarray(data - SIZE.OUT_HEADER, end),
  };
}
