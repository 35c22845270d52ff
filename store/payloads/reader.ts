import { hash } from 'node:crypto';
import fs, { constants } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { digestFromBytes } from '../digest.js';
import { CasError } from '../errors.js';
import { close, fstat, isCode, open } from '../files.js';
import { Descriptors } from './descriptors.js';
import type { Payload } from './location.js';
import { PackWindows } from './pack-windows.js';
import { PACK, setIn } from './set-directory.js';

/** The most buffers of one preadv(2), UIO_MAXIOV of linux/uio.h. */
const MOST_BUFFERS = 1024;

const readv = promisify(
  (fd: number, into: Uint8Array[], offset: number, done: (e: Error | null, n: number) => void) =>
    fs.readv(fd, into, offset, done),
);

/** Reads what {@link PayloadWriter} stored. */
export class PayloadReader {
  readonly #root: string;
  readonly #descriptors: Descriptors;
  readonly #windows: PackWindows;

  /**
   * @param root - the store
   * @param descriptors - how many files are kept open
   */
  constructor(root: string, descriptors = 256) {
    this.#root = root;
    this.#descriptors = new Descriptors(descriptors);
    this.#windows = new PackWindows((path, into, offset) => this.#fillFrom(path, [into], offset));
  }

  /**
   * Reads from `offset` on until `into` is full or the payload ends; the number of bytes. A packed payload that is read
   * whole is checked by its digest.
   * @throws CasError LAYER_DAMAGED where bytes are missing or wrong
   */
  read(payload: Payload, into: Uint8Array, offset: number): number | Promise<number> {
    const { size, location } = payload;
    const wanted = into.subarray(0, Math.max(0, Math.min(into.length, size - offset)));
    if (wanted.length === 0) return 0;
    const path = pathOf(this.#root, payload);
    if (location.offset === undefined) return this.#readFile(payload, path, wanted, offset);
    const window = this.#windows.at(path, location.offset);
    if (!(window instanceof Promise)) return take(payload, window, wanted, offset);
    return present(
      payload,
      window.then((bytes) => take(payload, bytes, wanted, offset)),
    );
  }

  async #readFile(payload: Payload, path: string, wanted: Uint8Array, offset: number): Promise<number> {
    const found = await this.#fill(payload, path, [wanted], offset);
    if (found < wanted.length) throw damaged(payload, `${payload.size} bytes`, `${offset + found}`);
    return wanted.length;
  }

  /**
   * Reads packed payloads that lie one after the other, each into as many bytes as are wanted of it; they are not checked
   * by their digests.
   * @param first - the first of them
   * @param offset - where reading begins in it
   * @throws CasError LAYER_DAMAGED where bytes are missing
   */
  async readRun(first: Payload, offset: number, into: readonly Uint8Array[]): Promise<void> {
    const start = (first.location.offset ?? 0) + offset;
    const wanted = into.reduce((sum, { length }) => sum + length, 0);
    const found = await this.#fill(first, pathOf(this.#root, first), into, start);
    if (found < wanted) throw damaged(first, `${wanted} bytes from ${start} on`, `${found}`);
  }

  /**
   * A descriptor of a payload that is a file of its own, for its caller to close; undefined where it is packed.
   * @throws CasError LAYER_DAMAGED where the file is missing or has another size
   */
  async open(payload: Payload): Promise<number | undefined> {
    if (payload.location.offset !== undefined) return undefined;
    const fd = await present(payload, open(pathOf(this.#root, payload), constants.O_RDONLY));
    const { size } = fstat(fd);
    if (size === BigInt(payload.size)) return fd;
    await close(fd);
    throw damaged(payload, `${payload.size} bytes`, `${size}`);
  }

  /** Closes what is open of a set that is removed, so that its space is free. */
  forget(set: string): Promise<void> {
    this.#windows.forget(setIn(this.#root, set));
    return this.#descriptors.forget(setIn(this.#root, set));
  }

  /** Closes all descriptors. */
  close(): Promise<void> {
    return this.#descriptors.close();
  }

  /** Fills the buffers in their order; the number of bytes, which is less where the file ends before. */
  #fill(payload: Payload, path: string, into: readonly Uint8Array[], offset: number): Promise<number> {
    return present(payload, this.#fillFrom(path, into, offset));
  }

  #fillFrom(path: string, into: readonly Uint8Array[], offset: number): Promise<number> {
    return this.#descriptors.use(path, async (fd) => {
      let rest = into;
      let filled = 0;
      while (rest.length > 0) {
        let size = await readv(fd, rest.slice(0, MOST_BUFFERS), offset + filled);
        if (size === 0) break;
        filled += size;
        const full = rest.findIndex(({ length }) => (size -= length) < 0);
        const [first] = full === -1 ? [] : rest.slice(full, full + 1);
        rest = first ? [first.subarray(size), ...rest.slice(full + 1)] : [];
      }
      return filled;
    });
  }
}

/** Checks the bytes of a payload. @throws CasError LAYER_DAMAGED */
export function check(payload: Payload, bytes: Uint8Array): void {
  const found = hash('sha256', bytes, 'hex');
  if (found !== payload.digest.toString('hex')) throw damaged(payload, 'these bytes', `sha256:${found}`);
}

/** Takes what is wanted of a packed payload from the bytes of its pack, and checks all of it. */
function take(payload: Payload, pack: Buffer, wanted: Uint8Array, offset: number): number {
  const bytes = pack.subarray(0, payload.size);
  if (bytes.length < payload.size) throw damaged(payload, `${payload.size} bytes`, `${bytes.length}`);
  check(payload, bytes);
  bytes.copy(wanted, 0, offset, offset + wanted.length);
  return wanted.length;
}

/** The failure of a payload. */
export function damaged(payload: Payload, expected: string, found: string, cause?: unknown): CasError {
  return new CasError('LAYER_DAMAGED', {
    subject: digestFromBytes('sha256', payload.digest),
    expected,
    found,
    cause,
  });
}

function pathOf(root: string, { digest, location: { set, offset } }: Payload): string {
  return join(setIn(root, set), offset === undefined ? digest.toString('hex') : PACK);
}

/** A file that is not there is damage as well. */
async function present<T>(payload: Payload, action: Promise<T>): Promise<T> {
  return action.catch((error: unknown) => {
    throw isCode(error, 'ENOENT') ? damaged(payload, 'a file', 'none', error) : error;
  });
}
