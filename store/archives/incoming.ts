import { randomBytes } from 'node:crypto';
import { diffOf } from '../compression/diff-of.js';
import type { Format } from '../compression/format.js';
import { type Algorithm, algorithmOf, type Digest, sha256Of } from '../digest.js';
import { CasError } from '../errors.js';
import type { Ingest } from '../ingest/ingest.js';
import { parseRef } from '../ref.js';
import type { Store } from '../store.js';

/** Bytes written at a time, so that what is written is hashed while the rest is being written. */
const PIECE = 1 << 20;

/** Commits under way while the next bytes are read. */
const COMMITS = 8;

/** Bytes that are in the store as an ingest. */
export interface Received {
  readonly ingest: Ingest;
  readonly size: number;
  readonly digest: Digest;
}

/** A layer, and what it is uncompressed. */
export interface ReceivedLayer extends Received {
  readonly format: Format;
  readonly diff: Digest;
}

/** Where bytes go on. */
type Through<T> = (bytes: AsyncGenerator<Buffer, void>) => Promise<T>;

/** The ingests of one import. Those that have not become blobs go with {@link discard}. */
export class Incoming {
  readonly #store: Pick<Store, 'ingests' | 'blobs'>;
  readonly #signal: AbortSignal | undefined;
  /** As tools' temporary files, outside `ingest/`, they expire where a crash leaves them. */
  readonly #prefix = `/.cas-import-${randomBytes(4).toString('hex')}-`;
  readonly #ingests = new Set<Ingest>();
  readonly #commits = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #made = 0;

  constructor(store: Pick<Store, 'ingests' | 'blobs'>, signal?: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  /** Whether the store has a blob already. */
  has(digest: Digest, size: number): boolean {
    return Number(this.#store.blobs.stat(digest)?.size ?? -1) === size;
  }

  /**
   * Makes bytes the blob of a digest; what is not yet durable is so after {@link settled}.
   * @param name what they are called in errors
   * @throws CasError DIGEST_MISMATCH
   */
  async blob(bytes: AsyncIterable<Buffer>, digest: Digest, name: string): Promise<void> {
    const { received } = await this.#receive(bytes, algorithmOf(digest), drain);
    if (received.digest !== digest)
      throw new CasError('DIGEST_MISMATCH', { subject: name, expected: digest, found: received.digest });
    await this.commit(received);
  }

  /** Makes a text a blob. */
  async text(text: Buffer): Promise<{ digest: Digest; size: number }> {
    const digest = sha256Of(text);
    if (!this.has(digest, text.length)) await this.blob(once(text), digest, digest);
    return { digest, size: text.length };
  }

  /** Takes in a layer, compressed or not, without making it a blob so far. */
  async layer(bytes: AsyncIterable<Buffer>): Promise<ReceivedLayer> {
    const { received, result } = await this.#receive(bytes, 'sha256', (copied) =>
      diffOf(copied, this.#signal),
    );
    const { format, diff } = result;
    return { ...received, format, diff: diff ?? received.digest };
  }

  /** Begins to make what was received a blob. */
  async commit({ ingest, digest, size }: Received): Promise<void> {
    if (!this.#ingests.delete(ingest)) return;
    const commit = this.#store.ingests
      .commit(ingest, { digest, size })
      .then(() => undefined)
      .catch((error: unknown) => {
        this.#ingests.add(ingest);
        this.#failure ??= { error };
      })
      .finally(() => this.#commits.delete(commit));
    this.#commits.add(commit);
    if (this.#commits.size >= COMMITS) await Promise.race(this.#commits);
    this.#check();
  }

  /** Settles when all commits are durable. @throws what one of them throws */
  async settled(): Promise<void> {
    await Promise.all(this.#commits);
    this.#check();
  }

  /** Removes what has not become a blob. */
  async discard(): Promise<void> {
    await Promise.all(this.#commits);
    for (const ingest of this.#ingests) await this.#store.ingests.remove(ingest).catch(() => undefined);
    this.#ingests.clear();
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async #receive<T>(
    bytes: AsyncIterable<Buffer>,
    algorithm: Algorithm,
    through: Through<T>,
  ): Promise<{ received: Received; result: T }> {
    this.#check();
    const ref = parseRef(`${this.#prefix}${this.#made++}`);
    const ingest = await this.#store.ingests.create(ref, algorithm);
    this.#ingests.add(ingest);
    try {
      const result = await through(copied(bytes, ingest, this.#signal));
      const { size } = ingest;
      const reached = await ingest.reached();
      if (reached?.offset !== size)
        throw new CasError('INGEST_FAILED', { subject: ref, expected: size, found: reached?.offset ?? 0 });
      return { received: { ingest, size, digest: reached.digest }, result };
    } finally {
      ingest.unlock();
    }
  }
}

/** Writes bytes to an ingest and passes them on. */
async function* copied(
  bytes: AsyncIterable<Buffer>,
  ingest: Ingest,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void> {
  let offset = 0;
  for await (const chunk of bytes) {
    signal?.throwIfAborted();
    const hashing: Promise<unknown>[] = [];
    try {
      for (let at = 0; at < chunk.length;) {
        const { size, held } = await ingest.write(chunk.subarray(at, at + PIECE), offset + at);
        if (held) hashing.push(held);
        at += size;
      }
    } finally {
      // The chunk may be read into again.
      await Promise.all(hashing);
    }
    offset += chunk.length;
    yield chunk;
  }
}

/** Reads to the end. */
export async function drain(bytes: AsyncGenerator<unknown, void>): Promise<void> {
  while (!(await bytes.next()).done);
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield await Promise.resolve(bytes);
}
