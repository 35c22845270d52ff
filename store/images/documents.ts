import type { Blobs } from '../blobs.js';
import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { Recent } from '../tree/recent.js';
import { type ImageConfig, parseConfig } from './image-config.js';
import { checkKind, type Document, parseDocument, type Reference } from './manifest.js';
import { readDocument } from './read-document.js';

type Parsed = Document | ImageConfig | CasError;

/** How many descriptors and DiffIDs are kept in memory, some 30 MB. */
const MOST_KEPT = 100_000;

/** Manifests, indexes and configs by their digests: those used lately are kept, also those that cannot be read. */
export class Documents {
  readonly #blobs: Blobs;
  readonly #kept = new Recent<string, Parsed>(MOST_KEPT, weightOf);

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  /**
   * The manifest or index that a descriptor leads to.
   * @throws CasError BLOB_NOT_FOUND, BLOB_DAMAGED, IMAGE_INVALID; the system's error
   */
  async document(reference: Reference): Promise<Document> {
    const document = await this.#read('document', reference.digest, parseDocument);
    checkKind(reference, document.kind, reference.digest);
    return document;
  }

  /** The config of an image. @throws as {@link document} */
  config({ digest }: Reference): Promise<ImageConfig> {
    return this.#read('config', digest, parseConfig);
  }

  async #read<T extends Document | ImageConfig>(
    as: string,
    digest: Digest,
    parse: (bytes: Uint8Array, digest: Digest) => T,
  ): Promise<T> {
    const key = `${as} ${digest}`;
    const parsed = (this.#kept.get(key) as T | CasError | undefined) ?? (await this.#parse(digest, parse));
    this.#kept.add(key, parsed);
    if (parsed instanceof CasError) throw parsed;
    return parsed;
  }

  async #parse<T>(digest: Digest, parse: (bytes: Uint8Array, digest: Digest) => T): Promise<T | CasError> {
    try {
      return parse(await readWhole(this.#blobs, digest), digest);
    } catch (error) {
      if (error instanceof CasError && error.code === 'IMAGE_INVALID') return error;
      throw error;
    }
  }
}

/** @throws as {@link readDocument} */
async function readWhole(blobs: Blobs, digest: Digest): Promise<Buffer> {
  if (blobs.stat(digest) === undefined) throw new CasError('BLOB_NOT_FOUND', { subject: digest });
  return readDocument(blobs, digest);
}

function weightOf(parsed: Parsed): number {
  if (parsed instanceof CasError) return 1;
  if (parsed.kind === 'config') return 1 + parsed.diffs.length;
  return 1 + (parsed.kind === 'index' ? parsed.manifests.length : 1 + parsed.layers.length);
}
