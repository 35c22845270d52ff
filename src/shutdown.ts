import { setTimeout as sleep } from 'node:timers/promises';
import type { Holder } from './holders.js';
import { errorFields, type Log } from './log.js';
import type { Service } from './service.js';

/** How long, in milliseconds, requests under way may take to finish before a busy mount is reported. */
const FINISH = 30_000;
/** A shell that looks around or an indexer holds a mount for moments; they are waited out. */
const BRIEFLY = 500;
/** How long, in milliseconds, files that are still open are served after a mount was detached. */
const GRACE = 3000;
const PAUSE = 50;

/**
 * What SIGTERM and SIGINT do: the first one unmounts, once what is under way is finished, and stays if the mount is
 * busy, saying who holds it. The second detaches the mount and ends soon after; the third ends at once.
 */
export class Shutdown {
  readonly #service: Service;
  readonly #log: Log;
  readonly #findHolders: () => Promise<Holder[]>;
  #requests = 0;

  constructor(service: Service, log: Log, findHolders: () => Promise<Holder[]>) {
    this.#service = service;
    this.#log = log;
    this.#findHolders = findHolders;
  }

  /** Whether an end of the mount is what was asked for. */
  get requested(): boolean {
    return this.#requests > 0;
  }

  request(reason: string): void {
    this.#requests++;
    this.#log.info({ reason, pending: this.#service.mounted.pending }, 'stopping');
    if (this.#requests === 1) void this.#unmount();
    else if (this.#requests === 2) void this.#detach();
    else this.#service.abort();
  }

  async #unmount(): Promise<void> {
    const started = performance.now();
    while (this.#requests === 1) {
      try {
        await this.#service.mounted.unmount(false);
        return;
      } catch (error) {
        if (!isBusy(error)) {
          this.#log.error(errorFields(error), 'unmounting failed');
          return;
        }
      }
      const waited = performance.now() - started;
      if (waited > (this.#service.mounted.pending > 0 ? FINISH : BRIEFLY)) break;
      await sleep(PAUSE);
    }
    if (this.#requests > 1) return;
    const holders = await this.#findHolders();
    this.#log.warn({ holders }, 'the mount is busy and stays; a second signal detaches it');
  }

  async #detach(): Promise<void> {
    try {
      await this.#service.mounted.unmount(true);
    } catch (error) {
      this.#log.error(errorFields(error), 'detaching failed');
    }
    setTimeout(() => this.#service.abort(), GRACE).unref();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EBUSY';
}
