import { processKey } from '../../store/process.js';
import type { IndexSnapshot } from '../../store/images/image-index.js';

/** How many processes are remembered, and how many snapshots of each. */
const PROCESSES = 256;
const SNAPSHOTS = 8;

/**
 * Which snapshots of index.json each process knows: those that it has read since it last wrote one, and its own. Tools
 * read the file, close it, and open it anew to write.
 */
export class IndexReaders {
  /** The longest unseen first. */
  readonly #known = new Map<string, readonly IndexSnapshot[]>();

  /** Notes what a process, told by one of its threads, has read. */
  read(thread: number, snapshot: IndexSnapshot): void {
    const key = processKey(thread);
    if (key === undefined) return;
    const others = this.#known.get(key)?.filter(({ version }) => version !== snapshot.version) ?? [];
    this.#remember(key, [...others.slice(1 - SNAPSHOTS), snapshot]);
  }

  /**
   * Notes what a process has written; what it has read before counts no more. One that has read none does not go by what
   * it has written either: a shell that writes the same text again means it.
   */
  wrote(thread: number, own: IndexSnapshot): void {
    const key = processKey(thread);
    if (key !== undefined && this.#known.has(key)) this.#remember(key, [own]);
  }

  /** What a process knows, the oldest first. */
  knownTo(thread: number): readonly IndexSnapshot[] {
    const key = processKey(thread);
    return (key === undefined ? undefined : this.#known.get(key)) ?? [];
  }

  #remember(key: string, snapshots: readonly IndexSnapshot[]): void {
    this.#known.delete(key);
    this.#known.set(key, snapshots);
    const [oldest] = this.#known.keys();
    if (this.#known.size > PROCESSES && oldest !== undefined) this.#known.delete(oldest);
  }
}
