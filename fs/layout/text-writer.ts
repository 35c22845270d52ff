import type { Awaitable, FileHandle, OpenMode, Written } from '../node.js';
import type { Draft } from './draft.js';

/**
 * A text that is open for writing. close(2) of every duplicate of the descriptor arrives as a flush, and none says that
 * it is the last, so each one hands over what is there by then; one that is refused leaves the draft open for more. What
 * is never accepted is dropped.
 */
export class TextWriter implements FileHandle {
  readonly mode: OpenMode = { direct: true };
  readonly #draft: Draft;
  readonly #accept: (bytes: Buffer) => Awaitable<void>;
  #changed: boolean;

  /** `changed`: the draft differs from the text already. */
  constructor(draft: Draft, changed: boolean, accept: (bytes: Buffer) => Awaitable<void>) {
    this.#draft = draft;
    this.#changed = changed;
    this.#accept = accept;
  }

  read(into: Uint8Array, offset: number): number {
    return this.#draft.read(into, offset);
  }

  write(data: Uint8Array, offset: number): Written {
    this.#draft.write(data, offset);
    this.#changed = true;
    return { size: data.length };
  }

  truncate(size: number): void {
    this.#draft.truncate(size);
    this.#changed = true;
  }

  async flush(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    try {
      await this.#accept(this.#draft.bytes);
    } catch (error) {
      this.#changed = true;
      throw error;
    }
  }

  sync(): void {
    // What counts is made durable by the close.
  }

  release(): void {
    return undefined;
  }
}
