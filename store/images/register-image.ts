import type { Blobs } from '../blobs.js';
import type { Digest } from '../digest.js';
import { aboutSubject, CasError, type ErrorCode } from '../errors.js';
import { withBlob } from '../layers/layer-source.js';
import type { Layer } from '../layers/layer.js';
import type { Layers } from '../layers/layers.js';
import type { Progress } from '../layers/split-tar.js';
import type { Report } from '../report.js';
import type { BlobDiffs } from './blob-diffs.js';
import { imageHolder } from './held-by-images.js';
import type { Leading } from './image-maps.js';
import { SharedWork } from './shared-work.js';

/** Refusals that the same bytes meet again: a layer is not read once more to find that out. */
const LASTING: ReadonlySet<ErrorCode> = new Set([
  'DIGEST_MISMATCH',
  'LAYER_INVALID',
  'LAYER_TOO_DEEP',
  'LAYER_TOO_LARGE',
]);

/** Is told how far the layer is that is being registered. */
export type OnProgress = (chain: Digest, progress: Progress) => void;

/** Registers the layers of images from their blobs; those who want the same one wait for it together. */
export class Registrations {
  readonly #blobs: Blobs;
  readonly #layers: Layers;
  readonly #diffs: BlobDiffs;
  readonly #report: Report;
  readonly #work = new SharedWork<Digest, Layer>();
  readonly #progress = new Map<Digest, Progress>();
  readonly #failures = new Map<Digest, { readonly error: Error; readonly blob: Digest }>();
  readonly #listeners = new Set<OnProgress>();
  readonly #ended: () => void;

  /** `ended` is called whenever a registration has ended, whoever still waits for it. */
  constructor(blobs: Blobs, layers: Layers, diffs: BlobDiffs, report: Report, ended: () => void) {
    this.#blobs = blobs;
    this.#layers = layers;
    this.#diffs = diffs;
    this.#report = report;
    this.#ended = ended;
  }

  /**
   * Registers what is missing of the layers of an image up to the one that is led to, the lowest first. What is
   * registered stays, whatever becomes of those above.
   * @param name what the image is called in the log
   * @throws CasError BLOB_NOT_FOUND, DIGEST_MISMATCH where a tar is not what the config says, and as Layers.register;
   * the signal's reason
   */
  async register({ root, image, index }: Leading, name: string, signal?: AbortSignal): Promise<Layer> {
    let layer: Layer | undefined;
    for (const [at, { chain }] of image.layers.slice(0, index + 1).entries()) {
      layer = this.#layers.get(chain);
      layer ??= await this.#work.join(
        chain,
        (ended) => this.#one({ root, image, index: at }, name, ended),
        signal,
      );
    }
    if (layer === undefined) throw new CasError('IMAGE_INVALID', { subject: name, found: 'no layers' });
    return layer;
  }

  /** How far the registration of a chain's own layer is; undefined where none is under way. */
  progressOf(chain: Digest): Progress | undefined {
    if (!this.#work.has(chain)) return undefined;
    return this.#progress.get(chain) ?? { bytes: 0, total: undefined, entries: 0 };
  }

  /** Why the layer of a chain could not be registered the last time; undefined where that is not so. */
  failureOf(chain: Digest): Error | undefined {
    return this.#failures.get(chain)?.error;
  }

  /** Whether that blob cannot be the layer of that chain. */
  refused(chain: Digest, blob: Digest): boolean {
    const failure = this.#failures.get(chain);
    return failure?.blob === blob && failure.error instanceof CasError && LASTING.has(failure.error.code);
  }

  /** Forgets failures: what failed for good is tried again then. */
  forget(which: (chain: Digest, blob: Digest) => boolean): void {
    for (const [chain, { blob }] of this.#failures) if (which(chain, blob)) this.#failures.delete(chain);
  }

  /** Has `listener` told of all progress until what is given is called. */
  watch(listener: OnProgress): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.#work.close();
  }

  async #one({ root, image, index }: Leading, name: string, signal: AbortSignal): Promise<Layer> {
    const layer = image.layers[index];
    if (layer === undefined) throw new CasError('IMAGE_INVALID', { subject: name });
    const { chain, diff, blob } = layer;
    const before = this.#failures.get(chain);
    if (before !== undefined && this.refused(chain, blob.digest)) throw before.error;
    const parent = image.layers[index - 1]?.chain;
    const check = async (_records: unknown, found: Digest): Promise<void> => {
      if (found === diff) return Promise.resolve();
      throw new CasError('DIGEST_MISMATCH', { expected: `the DiffID ${diff}`, found });
    };
    const progress = (progress: Progress): void => {
      this.#progress.set(chain, progress);
      for (const tell of this.#listeners) tell(chain, progress);
    };
    try {
      const how = { holder: imageHolder(root), signal, progress, check, blob: blob.digest };
      const registration = { ...how, ...(parent && { parent }) };
      const made = await withBlob(this.#blobs, blob.digest, (source) =>
        this.#layers.register(source, registration),
      );
      this.#diffs.learn(blob.digest, diff);
      this.#failures.delete(chain);
      return made;
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = failureFrom(error, `layer ${index + 1} of ${image.layers.length}`, blob.digest);
      const known = this.failureOf(chain)?.message === failure.message;
      this.#failures.set(chain, { error: failure, blob: blob.digest });
      const fields = { image: name, manifest: image.manifest.digest, error: failure.message };
      // One look at a path is several lookups.
      if (!known)
        this.#report({ level: 'warn', message: 'a layer of an image cannot be registered', fields });
      throw failure;
    } finally {
      this.#progress.delete(chain);
      this.#ended();
    }
  }
}

/** Says which layer an error is about, and which blob. */
function failureFrom(error: unknown, layer: string, blob: Digest): Error {
  if (!(error instanceof CasError)) return error instanceof Error ? error : new Error(String(error));
  return aboutSubject(error.subject === blob ? error : aboutSubject(error, blob), layer);
}
