import { processKey } from '../../store/process.js';
import type { IndexSnapshot } from '../../store/images/image-index.js';

/** From how many processes on those that have ended are forgotten, how many others are remembered, and how much of each. */
const ENDED = 16;
const PROCESSES = 1024;
const SNAPSHOTS = 8;

/**
 * Which snapshots of index.json each process knows: those that it has read since it last wrote one, and its own. Tools
 * read the file, close it, and open it anew to write.
 */
export class IndexReaders {
  /** The longest unseen first. */
  readonly #known = new Map<string, readonly IndexSnapshot[]>();
  /** At how many it is looked which have ended: at twice as many as were found alive, since it reads files of each. */
  #crowd = ENDED;

  /** Notes what a process has read, told by its {@link processKey}; without one nothing is known of it. */
  read(key: string | undefined, snapshot: IndexSnapshot): void {
    if (key === undefined) return;
    const others = this.#known.get(key)?.filter(({ version }) => version !== snapshot.version) ?? [];
    // The first is what a long copy goes by.
    this.#remember(key, [...others.slice(0, 1), ...others.slice(1).slice(2 - SNAPSHOTS), snapshot]);
  }

  /**
   * Notes what a process has written; what it has read before counts no more. One that has read none does not go by what
   * it has written either: a shell that writes the same text again means it.
   */
  wrote(key: string | undefined, own: IndexSnapshot): void {
    if (key !== undefined && this.#known.has(key)) this.#remember(key, [own]);
  }

  /** What a process knows, the oldest first. */
  knownTo(key: string | undefined): readonly IndexSnapshot[] {
    return (key === undefined ? undefined : this.#known.get(key)) ?? [];
  }

  #remember(key: string, snapshots: readonly IndexSnapshot[]): void {
    this.#known.delete(key);
    this.#known.set(key, snapshots);
    if (this.#known.size > this.#crowd) this.#forgetEnded();
    const [oldest] = this.#known.keys();
    if (this.#known.size > PROCESSES && oldest !== undefined) this.#known.delete(oldest);
  }

  /** Those that have ended write no more. */
  #forgetEnded(): void {
    for (const one of this.#known.keys()) if (processKey(parseInt(one, 10)) !== one) this.#known.delete(one);
    this.#crowd = Math.max(ENDED, 2 * this.#known.size);
  }
}
