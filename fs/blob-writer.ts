import type { Digest } from '../store/digest.js';
import type { Ingest } from '../store/ingest/ingest.js';
import type { Ingests } from '../store/ingest/ingests.js';
import { IngestWriter } from './ingest-handle.js';

/**
 * A file created directly under its digest's name: an ingest that is committed when it is closed. close(2) of
 * every duplicate of the descriptor arrives as a flush, and none says that it is the last, so each one commits if
 * the bytes are right by then; one that fails leaves the file open for more. What is not committed in the end is
 * dropped: nothing could resume it, as nothing stands under the name.
 */
export class BlobWriter extends IngestWriter {
  readonly #ingests: Ingests;
  readonly #digest: Digest;
  readonly #onCommitted: (isNew: boolean) => void;
  #committing: Promise<void> | undefined;
  #committed = false;

  /** `onCommitted` is told whether the blob is new. */
  constructor(ingest: Ingest, ingests: Ingests, digest: Digest, onCommitted: (isNew: boolean) => void) {
    super(ingest, { direct: true });
    this.#ingests = ingests;
    this.#digest = digest;
    this.#onCommitted = onCommitted;
  }

  /** Whether its bytes are a blob: nothing more can be written. */
  get committed(): boolean {
    return this.#committed;
  }

  /** @throws CasError DIGEST_MISMATCH when the bytes so far are not the digest's */
  async flush(): Promise<void> {
    if (this.#committed) return;
    this.#committing ??= this.#commit();
    try {
      await this.#committing;
    } finally {
      this.#committing = undefined;
    }
  }

  override async release(): Promise<void> {
    await super.release();
    if (!this.#committed) await this.#ingests.remove(this.ingest);
  }

  async #commit(): Promise<void> {
    const isNew = await this.#ingests.commit(this.ingest, { digest: this.#digest });
    this.#committed = true;
    this.#onCommitted(isNew);
  }
}
