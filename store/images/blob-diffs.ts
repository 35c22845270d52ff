import type { Blobs } from '../blobs.js';
import { checked } from '../checked.js';
import { diffOf } from '../compression/diff-of.js';
import { algorithmOf, type Digest } from '../digest.js';
import { aboutSubject, CasError } from '../errors.js';
import { withBlob } from '../layers/layer-source.js';
import type { Layers } from '../layers/layers.js';
import { Recent } from '../tree/recent.js';
import { SharedWork } from './shared-work.js';

/** That a blob is, decompressed, the layer with a DiffID, as a manifest and a config together say. */
export interface Claim {
  readonly blob: { readonly digest: Digest };
  readonly diff: Digest;
  readonly chain: Digest;
}

/** Of how many blobs the DiffID is kept in memory, some 20 MB. */
const MOST_KEPT = 100_000;

/**
 * Which DiffIDs blobs have. A manifest and a config can say anything of that, so it goes by bytes alone: a digest that is
 * its own DiffID; the record of a layer, which says what blob it was registered from; and what was decompressed in this
 * run. The bytes of a digest never change, so what is known once is known for good.
 */
export class BlobDiffs {
  readonly #blobs: Blobs;
  readonly #layers: Layers;
  readonly #kept = new Recent<Digest, Digest>(MOST_KEPT, () => 1);
  readonly #work = new SharedWork<Digest, Digest>();
  /** Why claims could not be found to be true the last time. */
  readonly #failures = new Map<string, { readonly claim: Claim; readonly error: Error }>();

  constructor(blobs: Blobs, layers: Layers) {
    this.#blobs = blobs;
    this.#layers = layers;
  }

  /** Whether a claim is true; undefined where that is not known. Call after the layers are loaded. */
  known({ blob: { digest }, diff, chain }: Claim): boolean | undefined {
    if (digest === diff || this.#layers.get(chain)?.blob === digest) return true;
    const kept = this.#kept.get(digest);
    return kept === undefined ? undefined : kept === diff;
  }

  /** A blob was decompressed, and has that DiffID. */
  learn(blob: Digest, diff: Digest): void {
    this.#kept.add(blob, diff);
  }

  /**
   * Settles once a claim is known to be true; where need be the blob is decompressed, once for all who wait.
   * @throws CasError DIGEST_MISMATCH where it is not true; BLOB_NOT_FOUND, BLOB_DAMAGED, LAYER_INVALID; the signal's reason
   */
  async check(claim: Claim, signal?: AbortSignal): Promise<void> {
    const { digest } = claim.blob;
    try {
      if (this.known(claim) === undefined) await this.find(digest, signal);
      if (this.known(claim) !== true) throw this.#mismatch(claim);
      this.#failures.delete(keyOf(claim));
    } catch (error) {
      if (error instanceof Error && signal?.aborted !== true)
        this.#failures.set(keyOf(claim), { claim, error });
      throw error;
    }
  }

  /** The DiffID of a blob, whatever is said of it. @throws as {@link check}, but for DIGEST_MISMATCH */
  async find(blob: Digest, signal?: AbortSignal): Promise<Digest> {
    return this.#kept.get(blob) ?? this.#work.join(blob, (ended) => this.#decompress(blob, ended), signal);
  }

  /** Why a claim was found not to be true, or could not be looked into; undefined where that is not so. */
  failureOf(claim: Claim): Error | undefined {
    return this.known(claim) === false ? this.#mismatch(claim) : this.#failures.get(keyOf(claim))?.error;
  }

  /** Forgets why claims could not be looked into. */
  forget(which: (claim: Claim) => boolean): void {
    for (const [key, { claim }] of this.#failures) if (which(claim)) this.#failures.delete(key);
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.#work.close();
  }

  async #decompress(blob: Digest, signal: AbortSignal): Promise<Digest> {
    try {
      // A plain tar that is known by another algorithm has a DiffID, too.
      const plain = algorithmOf(blob) !== 'sha256';
      const { diff = blob } = await withBlob(this.#blobs, blob, ({ bytes }) =>
        diffOf(checked(bytes, blob, { signal }), signal, plain),
      );
      this.learn(blob, diff);
      return diff;
    } catch (error) {
      throw error instanceof CasError && error.subject !== blob ? aboutSubject(error, blob) : error;
    }
  }

  #mismatch({ blob, diff }: Claim): CasError {
    const found = this.#kept.get(blob.digest);
    return new CasError('DIGEST_MISMATCH', {
      subject: blob.digest,
      expected: `the DiffID ${diff}`,
      ...(found && { found }),
    });
  }
}

function keyOf({ blob, diff }: Claim): string {
  return `${blob.digest} ${diff}`;
}
