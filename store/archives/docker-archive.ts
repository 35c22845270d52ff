import { diffOf } from '../compression/diff-of.js';
import type { Format } from '../compression/format.js';
import { type Digest, isDigest, sha256Of } from '../digest.js';
import { CasError } from '../errors.js';
import { type Descriptor, REF_NAME } from '../images/descriptor.js';
import { parseConfig } from '../images/image-config.js';
import { isPlainObject } from '../is-plain-object.js';
import { safeJson } from '../json.js';
import { withBlob } from '../layers/layer-source.js';
import type { Store } from '../store.js';
import { takingTurns } from '../tree/turns.js';
import type { Content } from './contents.js';
import { dockerName } from './docker-name.js';
import type { Incoming } from './incoming.js';
import { incomplete } from './image-parts.js';
import { MEDIA_TYPES } from './media-types.js';
import type { Names } from './names.js';
import { readDocument } from '../images/read-document.js';

/** An entry of manifest.json, which `docker save` has made up. */
interface DockerImage {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
}

/** What a file of an archive is as a blob. */
interface Part {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

/** A layer with its DiffID. */
interface Layer extends Part {
  readonly diff: Digest;
}

/** A configuration, as it stands in the archive. */
interface Config {
  readonly text: Buffer;
  readonly digest: Digest;
  readonly diffs: readonly Digest[];
}

/** The file of a docker-archive that names the others. */
export const MANIFEST_JSON = 'manifest.json';

/**
 * The images of a docker-archive: their configurations and layers become blobs as they are, and each gets an OCI
 * manifest. The names are those of Docker in full.
 * @returns entries for index.json, one for each name, or one without
 * @throws CasError ARCHIVE_INVALID, IMAGE_INCOMPLETE, IMAGE_INVALID, DIGEST_MISMATCH
 */
export async function dockerImages(
  store: Pick<Store, 'blobs'>,
  files: Names<Content>,
  incoming: Incoming,
  signal?: AbortSignal,
): Promise<Descriptor[]> {
  const archive = new DockerArchive(store, files, incoming, signal);
  const entries: Descriptor[] = [];
  const made = new Map<string, Descriptor>();
  const turn = takingTurns(1);
  for (const image of imagesOf(files)) {
    await turn();
    signal?.throwIfAborted();
    // An archive may say the same as often as it likes: it is read once.
    const key = JSON.stringify([image.config, image.layers]);
    const manifest = made.get(key) ?? (await archive.manifestOf(image));
    made.set(key, manifest);
    if (image.names.length === 0) entries.push(manifest);
    for (const name of image.names) entries.push({ ...manifest, annotations: { [REF_NAME]: name } });
  }
  return entries;
}

class DockerArchive {
  readonly #store: Pick<Store, 'blobs'>;
  readonly #files: Names<Content>;
  readonly #incoming: Incoming;
  readonly #signal: AbortSignal | undefined;
  /** By path: images share them. */
  readonly #layers = new Map<string, Layer>();
  /** Of those that stand in the archive, and so are in memory anyway. */
  readonly #configs = new Map<string, Config>();

  constructor(
    store: Pick<Store, 'blobs'>,
    files: Names<Content>,
    incoming: Incoming,
    signal: AbortSignal | undefined,
  ) {
    this.#store = store;
    this.#files = files;
    this.#incoming = incoming;
    this.#signal = signal;
  }

  /** Makes the blobs of an image. @returns the descriptor of its manifest */
  async manifestOf({ config, layers }: DockerImage): Promise<Descriptor> {
    const { text, digest, diffs } = await this.#config(config);
    if (diffs.length !== layers.length)
      throw new CasError('ARCHIVE_INVALID', {
        subject: safeJson(config),
        expected: `${layers.length} DiffIDs`,
        found: diffs.length,
      });
    const parts: Part[] = [];
    for (const [index, path] of layers.entries()) {
      const { diff, ...part } = await this.#layer(path);
      if (diff !== diffs[index])
        throw new CasError('DIGEST_MISMATCH', {
          subject: safeJson(path),
          expected: diffs[index] ?? '',
          found: diff,
        });
      parts.push(part);
    }
    await this.#incoming.text(text);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.manifest,
        config: { mediaType: MEDIA_TYPES.config, digest, size: text.length },
        layers: parts,
      }),
    );
    return { mediaType: MEDIA_TYPES.manifest, ...(await this.#incoming.text(manifest)) };
  }

  async #config(name: string): Promise<Config> {
    const path = this.#files.path(name);
    const known = this.#configs.get(path);
    if (known !== undefined) return known;
    const content = this.#files.get(path);
    if (content === undefined) return configOf(await readDocument(this.#store.blobs, this.#blob(path)));
    if (content.kind !== 'document')
      throw new CasError('ARCHIVE_INVALID', { subject: safeJson(name), expected: 'a configuration' });
    const config = configOf(content.text);
    // One whose name has a digest must have that.
    const hex = /(?:^|[/:])([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
    if (hex !== undefined && config.digest !== `sha256:${hex}`)
      throw new CasError('DIGEST_MISMATCH', {
        subject: safeJson(name),
        expected: `sha256:${hex}`,
        found: config.digest,
      });
    this.#configs.set(path, config);
    return config;
  }

  async #layer(name: string): Promise<Layer> {
    const path = this.#files.path(name);
    const known = this.#layers.get(path);
    if (known !== undefined) return known;
    const content = this.#files.get(path);
    if (content?.kind === 'document')
      throw new CasError('ARCHIVE_INVALID', { subject: safeJson(name), expected: 'a layer' });
    let layer: Layer;
    if (content === undefined) {
      layer = await this.#blobLayer(this.#blob(path));
    } else {
      const { format, digest, size, diff } = content.layer;
      await this.#incoming.commit(content.layer);
      layer = { mediaType: MEDIA_TYPES.layer[format], digest, size, diff };
    }
    this.#layers.set(path, layer);
    return layer;
  }

  /** What was below `blobs/` has not been read as a layer so far. */
  async #blobLayer(digest: Digest): Promise<Layer> {
    return withBlob(this.#store.blobs, digest, async ({ bytes, size = 0 }) => {
      const found: { format: Format; diff: Digest | undefined } = await diffOf(bytes, this.#signal);
      return { mediaType: MEDIA_TYPES.layer[found.format], digest, size, diff: found.diff ?? digest };
    });
  }

  /** The digest of a path below `blobs/`, whose blob is there. @throws CasError IMAGE_INCOMPLETE */
  #blob(path: string): Digest {
    const digest = path.replace(/^blobs\/([^/]+)\//, '$1:');
    if (isDigest(digest) && this.#store.blobs.stat(digest)) return digest;
    throw incomplete({ digest: safeJson(path), size: 0 });
  }
}

/** @throws CasError IMAGE_INVALID */
function configOf(text: Buffer): Config {
  const digest = sha256Of(text);
  return { text, digest, diffs: parseConfig(text, digest).diffs };
}

/** @throws CasError ARCHIVE_INVALID */
function imagesOf(files: Names<Content>): DockerImage[] {
  const content = files.get(MANIFEST_JSON);
  const invalid = (expected: string): CasError =>
    new CasError('ARCHIVE_INVALID', { subject: MANIFEST_JSON, expected });
  let value: unknown;
  try {
    value = content?.kind === 'document' && JSON.parse(content.text.toString());
  } catch {
    throw invalid('JSON');
  }
  if (!Array.isArray(value) || value.length === 0) throw invalid('a list of images');
  return value.map((image: unknown) => {
    if (!isPlainObject(image)) throw invalid('images');
    const { Config: config, RepoTags: tags, Layers: layers } = image;
    if (typeof config !== 'string') throw invalid('a Config of each image');
    if (!areTexts(layers ?? [])) throw invalid('paths in Layers');
    if (!areTexts(tags ?? [])) throw invalid('names in RepoTags');
    const names = ((tags ?? []) as string[]).map((tag) => {
      const name = dockerName(tag);
      if (name === undefined) throw new CasError('IMAGE_NAME_INVALID', { subject: safeJson(tag) });
      return name;
    });
    return { config, names: [...new Set(names)], layers: (layers ?? []) as string[] };
  });
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}
