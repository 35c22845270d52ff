import type { ByteText } from './entry.js';
import { text, type Header } from './header.js';
import { readPax } from './pax.js';
import type { Extended } from './resolve.js';

const X = 0x78;
const G = 0x67;
const L = 0x4c;
const K = 0x4b;

/** Whether a header has a body that tells of the entry after it, or of all entries. */
export function isExtended({ type }: Header): boolean {
  return type === X || type === G || type === L || type === K;
}

/** Gathers what the extended headers before an entry say. */
export class ExtendedHeaders {
  #found: Extended = {};
  /** The one whose body is being read. */
  #header: Header | undefined;

  begin(header: Header): void {
    this.#header = header;
  }

  /**
   * Takes the body of the header that began last, which stands at `offset` in the tar. Gives the name of a global
   * one, which is not applied.
   *
   * @throws CasError LAYER_INVALID
   */
  end(body: Buffer, offset: number): ByteText | undefined {
    const { name = '', type } = this.#header ?? {};
    if (type === L) {
      this.#found.longName = text(body, 0, body.length);
      return undefined;
    }
    if (type === K) {
      this.#found.longLink = text(body, 0, body.length);
      return undefined;
    }
    const pax = readPax(body, { offset, name });
    if (type === X) {
      this.#found.pax = pax;
      return undefined;
    }
    // Go's archive/tar gives it to its caller as if it were a file: what stood before it is forgotten.
    this.#found = {};
    const path = pax.get('path') ?? '';
    return path === '' ? name : path;
  }

  /** What was found since the last call. */
  take(): Extended {
    const found = this.#found;
    this.#found = {};
    return found;
  }
}
