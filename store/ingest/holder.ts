import { processOf, type ProcessName } from '../process.js';

/** Who has an ingest open for writing. */
export class Holder {
  readonly since: Date;
  readonly #thread: number | undefined;

  /** `thread` is the one that opened it; 0 or undefined where that cannot be told, as for another pid namespace. */
  constructor(thread: number | undefined, since: Date) {
    this.#thread = thread === 0 ? undefined : thread;
    this.since = since;
  }

  /** Looked up when it is asked for: a shell opens a file, and then becomes the command that writes it. */
  get process(): ProcessName | undefined {
    return this.#thread === undefined ? undefined : processOf(this.#thread);
  }

  /** For a person: `dd (pid 123)`. */
  toString(): string {
    const { process } = this;
    if (process === undefined) return 'a process that cannot be told';
    return `${process.command ?? 'a process that has ended'} (pid ${process.pid})`;
  }
}
