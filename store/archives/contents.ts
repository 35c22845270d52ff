import { decompressed } from '../compression/decompressed.js';
import { isAlgorithm, parseDigest } from '../digest.js';
import { CasError } from '../errors.js';
import { safeJson } from '../json.js';
import type { LayerSource } from '../layers/layer-source.js';
import { type ArchiveFile, archiveFiles } from './archive-files.js';
import { ARCHIVE_LIMITS, type ArchiveLimits } from './archive-limits.js';
import type { Incoming, ReceivedLayer } from './incoming.js';
import { Names } from './names.js';

/** What the archives of Docker before 1.10 need, beside layers. */
const OLD = /(^|\/)(json|VERSION|repositories)$/;
/** Documents by their names: what podman, skopeo and Docker call them, and crane. */
const DOCUMENT = /(\.json|^oci-layout|^sha256:[0-9a-f]{64})$/;
const BLOB = /^blobs\/([^/]+)\/([^/]+)$/;

/** What stands in an archive beside `blobs/`, by its path. */
export type Content =
  | { readonly kind: 'document'; readonly text: Buffer }
  | { readonly kind: 'layer'; readonly layer: ReceivedLayer };

/**
 * Reads an archive, compressed or not, in one pass: what is below `blobs/` becomes blobs, everything else is kept until
 * it is known what it is.
 * @param onFile is called at each file
 * @throws CasError LAYER_INVALID, LAYER_TOO_LARGE, ARCHIVE_INVALID, ARCHIVE_TOO_LARGE, DIGEST_MISMATCH
 */
export async function readArchive(
  { bytes, recycle }: LayerSource,
  incoming: Incoming,
  onFile: () => void,
  signal?: AbortSignal,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): Promise<Names<Content>> {
  const { format, bytes: tar } = await decompressed(bytes, signal && { signal });
  const reader = new Reader(incoming, limits);
  for await (const file of archiveFiles(tar, format === 'tar' ? recycle : undefined)) {
    await reader.take(file);
    onFile();
  }
  return reader.names;
}

class Reader {
  readonly names = new Names<Content>();
  readonly #incoming: Incoming;
  readonly #limits: ArchiveLimits;
  /** Bytes that are held, and layers. */
  #held = 0;
  #layers = 0;

  constructor(incoming: Incoming, limits: ArchiveLimits) {
    this.#incoming = incoming;
    this.#limits = limits;
  }

  async take(file: ArchiveFile): Promise<void> {
    const { name, type, target } = file;
    if (type === 'symlink' || type === 'link') {
      this.#hold(2 * target.length, name);
      this.names.link(name, target, type);
    } else if (type === 'file' && !OLD.test(name)) {
      await this.#takeFile(file);
    }
  }

  async #takeFile(file: ArchiveFile): Promise<void> {
    const { name, size, bytes } = file;
    const [, algorithm, hex] = BLOB.exec(name) ?? [];
    if (algorithm !== undefined && isAlgorithm(algorithm)) {
      const digest = parseDigest(`${algorithm}:${hex ?? ''}`);
      if (!this.#incoming.has(digest, size)) await this.#incoming.blob(bytes, digest, name);
    } else if (DOCUMENT.test(name)) {
      if (size > this.#limits.document)
        throw tooLarge(name, `a document of at most ${this.#limits.document} bytes`, size);
      this.#hold(size, name);
      this.names.add(name, { kind: 'document', text: await allOf(bytes) });
    } else {
      if (++this.#layers > this.#limits.layers)
        throw tooLarge(name, `at most ${this.#limits.layers} layers`, this.#layers);
      this.#hold(0, name);
      this.names.add(name, { kind: 'layer', layer: await this.#incoming.layer(bytes) });
    }
  }

  #hold(size: number, name: string): void {
    const { documents, overhead } = this.#limits;
    this.#held += size + overhead + 2 * name.length;
    if (this.#held > documents) throw tooLarge(name, `at most ${documents} bytes of documents`, this.#held);
  }
}

function tooLarge(name: string, expected: string, found: number): CasError {
  return new CasError('ARCHIVE_TOO_LARGE', { subject: safeJson(name), expected, found });
}

async function allOf(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  // They are read into again.
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
