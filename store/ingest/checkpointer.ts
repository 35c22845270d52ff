import type { Checkpoints } from './checkpoints/checkpoints.js';
import type { ContentOwner } from './content-owner.js';
import type { DataFile } from './data-file.js';
import { Pace } from './pace.js';
import type { Progress } from './progress.js';

/** What is saved, and where. */
interface SavedParts {
  readonly file: DataFile;
  readonly progress: Progress;
  readonly checkpoints: Checkpoints;
  readonly owner: ContentOwner;
}

/** Saves the state of an ingest's hash now and then. */
export class Checkpointer {
  readonly #parts: SavedParts;
  readonly #pace: Pace;
  /** Something has changed since the last checkpoint. */
  #dirty = false;
  #underWay: Promise<void> | undefined;

  /** `step`: how many bytes are hashed before the next one is due. */
  constructor(parts: SavedParts, step: number) {
    this.#parts = parts;
    this.#pace = new Pace(step);
  }

  /** Whether so much is hashed that the state should be saved again. */
  get isDue(): boolean {
    return this.#pace.isDue(this.#parts.progress.length);
  }

  /** Tells that the bytes are about to change, or that what is saved of them is too little. */
  changed(): void {
    this.#dirty = true;
  }

  /** Tells that all that is hashed is saved. */
  taken(): void {
    this.#pace.taken(this.#parts.progress.length);
  }

  /**
   * Makes what was written durable and saves the state of the hash, so that a later run can go on from there. A state
   * that cannot be saved is no failure: the bytes are there. Settles when none is being saved any more.
   */
  async checkpoint(): Promise<void> {
    const { file, owner } = this.#parts;
    // Of a file that is lent nothing is known.
    if (this.#dirty && !file.isLent && owner.isOpen())
      this.#underWay ??= this.#checkpoint().finally(() => (this.#underWay = undefined));
    await this.#underWay;
  }

  /** Settles when none is being saved. */
  async quiet(): Promise<void> {
    await this.#underWay?.catch(() => undefined);
  }

  async #checkpoint(): Promise<void> {
    const { file, progress, checkpoints, owner } = this.#parts;
    this.#dirty = false;
    let done = false;
    try {
      await owner.settle();
      const captured = await progress.capture();
      this.#pace.taken(captured.offset);
      const size = await file.makeDurable();
      const saving = checkpoints.save(await file.open(), captured, size, captured.isCurrent);
      done = await saving.then(
        () => true,
        () => false,
      );
    } finally {
      if (!done) this.#dirty = true;
    }
  }
}
