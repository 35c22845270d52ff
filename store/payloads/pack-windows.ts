/** Where windows begin: at each multiple of this, in bytes. */
const STEP = 128 << 10;
/** How long they are: a packed payload is shorter than that, too, so the window in which it begins has all of it. */
const LENGTH = 2 * STEP;
/** How many are kept: 4 MiB. */
const MOST = 16;

/** Reads up to so many bytes of a pack; fewer only at its end. */
export type ReadPack = (path: string, into: Buffer, offset: number) => Promise<number>;

/**
 * Stretches of packs that were read last. Files that are read one after the other mostly lie so in a pack, too: each
 * stretch is read once for all that begin in it, and the next one ahead.
 */
export class PackWindows {
  readonly #read: ReadPack;
  /** In the order of their last use. */
  readonly #windows = new Map<string, Buffer | Promise<Buffer>>();
  /** Memory of windows that went: new memory for each costs more in garbage collection than the reading. */
  readonly #spare: Buffer[] = [];

  constructor(read: ReadPack) {
    this.#read = read;
  }

  /**
   * The bytes of a pack from `offset` on that its window has: at least those of a payload that begins there. They are
   * to be used before anything else is read.
   */
  at(path: string, offset: number): Buffer | Promise<Buffer> {
    const number = Math.floor(offset / STEP);
    const window = this.#window(path, number);
    const start = offset - number * STEP;
    if (window instanceof Promise) return window.then((bytes) => bytes.subarray(start));
    return window.subarray(start);
  }

  /** Forgets what was read of packs below a directory. */
  forget(directory: string): void {
    for (const key of this.#windows.keys()) if (key.startsWith(`${directory}/`)) this.#windows.delete(key);
  }

  #window(path: string, number: number): Buffer | Promise<Buffer> {
    const key = `${path} ${number}`;
    const known = this.#windows.get(key);
    if (known !== undefined) {
      this.#windows.delete(key);
      this.#windows.set(key, known);
      return known;
    }
    const isNext = this.#windows.has(`${path} ${number - 1}`);
    const window = this.#load(path, number, key);
    if (isNext) void this.#load(path, number + 1, `${path} ${number + 1}`).catch(() => undefined);
    return window;
  }

  #load(path: string, number: number, key: string): Promise<Buffer> {
    const into = this.#spare.pop() ?? Buffer.allocUnsafeSlow(LENGTH);
    const loading = this.#read(path, into, number * STEP).then((size) => {
      const bytes = into.subarray(0, size);
      if (this.#windows.get(key) === loading) this.#windows.set(key, bytes);
      return bytes;
    });
    loading.catch(() => this.#windows.delete(key));
    this.#windows.set(key, loading);
    for (const [oldest, window] of this.#windows) {
      if (this.#windows.size <= MOST) break;
      this.#windows.delete(oldest);
      // Whoever has waited for it takes its bytes before then.
      if (window instanceof Buffer) setImmediate(() => this.#spare.push(Buffer.from(window.buffer)));
    }
    return loading;
  }
}
