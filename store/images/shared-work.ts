/** How long, in milliseconds, work goes on that nobody waits for any more. */
const GRACE = 250;

interface Running<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  waiters: number;
  /** Ends it, when nobody has come to wait for it by then. */
  ending: NodeJS.Timeout | undefined;
}

/**
 * Work that all who want the same wait for together. Who is interrupted stops waiting at once; the work ends when nobody
 * waits any more. Not at once: the kernel holds a second process that looks at a name until the first has been answered,
 * and lets it ask for itself when that was interrupted.
 */
export class SharedWork<K, T> {
  readonly #running = new Map<K, Running<T>>();

  /** Whether somebody's work for a key is under way. */
  has(key: K): boolean {
    return this.#running.has(key);
  }

  /**
   * Waits for the work for a key, which begins with the first who does.
   * @param work ends soon once its signal is aborted
   * @throws what the work throws; the signal's reason
   */
  async join(key: K, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (;;) {
      signal?.throwIfAborted();
      const running = this.#running.get(key) ?? this.#begin(key, work);
      if (!running.abort.signal.aborted) return this.#wait(running, signal);
      // It is ending, for want of anybody: what it was to do is begun anew.
      await unlessAborted(
        running.result.catch(() => undefined),
        signal,
      );
    }
  }

  /** Ends all, and settles when that is so. */
  async close(): Promise<void> {
    const all = [...this.#running.values()];
    for (const { abort } of all) abort.abort();
    await Promise.allSettled(all.map(({ result }) => result));
  }

  #begin(key: K, work: (signal: AbortSignal) => Promise<T>): Running<T> {
    const abort = new AbortController();
    const result = work(abort.signal).finally(() => {
      clearTimeout(running.ending);
      this.#running.delete(key);
    });
    result.catch(() => undefined);
    const running: Running<T> = { result, abort, waiters: 0, ending: undefined };
    this.#running.set(key, running);
    return running;
  }

  async #wait(running: Running<T>, signal: AbortSignal | undefined): Promise<T> {
    running.waiters++;
    clearTimeout(running.ending);
    try {
      return await unlessAborted(running.result, signal);
    } finally {
      if (--running.waiters === 0) running.ending = setTimeout(() => running.abort.abort(), GRACE).unref();
    }
  }
}

/** What a promise gives, or the reason of the signal once that is aborted. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}
