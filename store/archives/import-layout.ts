import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { algorithmOf, hexOf } from '../digest.js';
import { CasError } from '../errors.js';
import { isCode } from '../files.js';
import type { Descriptor } from '../images/descriptor.js';
import { INDEX_JSON, OCI_LAYOUT } from '../images/index-file.js';
import { MAX_INDEX, parseIndex } from '../images/index-json.js';
import type { Reference } from '../images/manifest.js';
import { withFile } from '../layers/layer-source.js';
import type { Progress } from '../layers/split-tar.js';
import type { Store } from '../store.js';
import { ARCHIVE_LIMITS } from './archive-limits.js';
import { incomplete } from './image-parts.js';
import { importImages, type ImportedImage, type ImportOptions } from './import-images.js';
import type { Incoming } from './incoming.js';
import { checkImages, noLayout, withFullName } from './oci-archive.js';
import { readDocument } from '../images/read-document.js';

/**
 * Takes in the images of an OCI image layout, a directory that may lie anywhere. Blobs that the store has are not read.
 * See {@link importImages} for what holds when it fails.
 * @throws as importArchive
 */
export function importLayout(
  store: Store,
  directory: string,
  options: ImportOptions = {},
): Promise<ImportedImage[]> {
  return importImages(store, options, (incoming) =>
    new Layout(store, directory, incoming, options).images(options),
  );
}

class Layout {
  readonly #store: Store;
  readonly #directory: string;
  readonly #incoming: Incoming;
  readonly #tell: ImportOptions['progress'];
  #progress: Progress = { bytes: 0, total: undefined, entries: 0 };

  constructor(store: Store, directory: string, incoming: Incoming, { progress }: ImportOptions) {
    this.#store = store;
    this.#directory = directory;
    this.#incoming = incoming;
    this.#tell = progress;
  }

  async images({ all, signal }: ImportOptions): Promise<Descriptor[]> {
    await this.#small(OCI_LAYOUT, ARCHIVE_LIMITS.document);
    const { manifests } = parseIndex(await this.#small(INDEX_JSON, MAX_INDEX), INDEX_JSON);
    await checkImages(
      manifests,
      { all, signal },
      async (descriptor) => {
        if (descriptor.size > ARCHIVE_LIMITS.document)
          throw new CasError('IMAGE_INVALID', { subject: descriptor.digest, found: descriptor.size });
        if (!(await this.#obtain(descriptor))) return undefined;
        await this.#incoming.settled();
        return readDocument(this.#store.blobs, descriptor.digest);
      },
      async (needed) => {
        const { bytes } = this.#progress;
        this.#advance({ total: needed.reduce((sum, { size }) => sum + size, bytes) });
        for (const descriptor of needed) if (!(await this.#obtain(descriptor))) throw incomplete(descriptor);
      },
    );
    return manifests.map(withFullName);
  }

  /** Whether the store has a blob by now. */
  async #obtain({ digest, size }: Reference): Promise<boolean> {
    const { bytes } = this.#progress;
    if (!this.#incoming.has(digest, size)) {
      const name = `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
      const found = await this.#file(name, async (chunks, found) => {
        if (found !== size) throw new CasError('SIZE_MISMATCH', { subject: name, expected: size, found });
        await this.#incoming.blob(this.#counted(chunks), digest, name);
        return true;
      });
      if (found !== true) return false;
    }
    this.#advance({ bytes: bytes + size, entries: this.#progress.entries + 1 });
    return true;
  }

  async *#counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      yield chunk;
      this.#advance({ bytes: this.#progress.bytes + chunk.length });
    }
  }

  async #small(name: string, limit: number): Promise<Buffer> {
    const text = await this.#file(name, async (chunks, size) => {
      if (size > limit)
        throw new CasError('ARCHIVE_TOO_LARGE', {
          subject: name,
          expected: `at most ${limit} bytes`,
          found: size,
        });
      const all: Buffer[] = [];
      // They are read into again.
      for await (const chunk of chunks) all.push(Buffer.from(chunk));
      return Buffer.concat(all);
    });
    if (text === undefined) throw noLayout(`no ${name} in ${this.#directory}`);
    return text;
  }

  /** Undefined where it is not there. */
  async #file<T>(
    name: string,
    use: (chunks: AsyncIterable<Buffer>, size: number) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      const [root, path] = [await realpath(this.#directory), await realpath(join(this.#directory, name))];
      if (!path.startsWith(join(root, '/')))
        throw new CasError('ARCHIVE_INVALID', { subject: name, found: 'a link that leads out' });
      return await withFile(path, async ({ bytes, size = 0, recycle }) =>
        use(recycle ? recycling(bytes, recycle) : bytes, size),
      );
    } catch (error) {
      if (isCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  #advance(by: Partial<Progress>): void {
    this.#progress = { ...this.#progress, ...by };
    this.#tell?.(this.#progress);
  }
}

async function* recycling(
  chunks: AsyncIterable<Buffer>,
  recycle: (chunk: Buffer) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    yield chunk;
    recycle(chunk);
  }
}
