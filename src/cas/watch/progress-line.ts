import type { WriteStream } from 'node:tty';
import { Rate } from '../../../store/ingest/rate.js';
import { drawRegistration, type Registering } from './registration-line.js';
import { sizeOf } from './screen.js';

/** Of ECMA-48: erase from the cursor to the end of the line. */
const CLEAR = '\r\x1b[K';

/** One line on a terminal that shows how far a registration is. It is gone when the registration has ended. */
export class ProgressLine {
  readonly #terminal: WriteStream;
  readonly #name: string;
  readonly #rate = new Rate();
  #bytes = 0;
  readonly #clear = (): void => void this.#terminal.write(CLEAR);

  /** `name` is what is being registered. */
  constructor(terminal: WriteStream, name: string) {
    this.#terminal = terminal;
    this.#name = name;
    process.once('exit', this.#clear);
  }

  show(progress: Pick<Registering, 'bytes' | 'total' | 'entries'>): void {
    const now = performance.now();
    this.#rate.add(progress.bytes - this.#bytes, now);
    this.#bytes = progress.bytes;
    const registering = { ...progress, name: this.#name, rate: this.#rate.at(now) ?? null };
    // A line as wide as the terminal may move the cursor to the next one.
    this.#terminal.write(CLEAR + drawRegistration(registering, sizeOf(this.#terminal).columns - 1));
  }

  close(): void {
    process.off('exit', this.#clear);
    this.#clear();
  }
}
