import { hexOf, sha256Of } from '../digest.js';
import { CasError } from '../errors.js';
import { refNameOf } from '../images/descriptor.js';
import { parseConfig } from '../images/image-config.js';
import { hostPlatform } from '../images/platform.js';
import { safeJson } from '../json.js';
import { type ArchiveWriter, tarSize } from './archive-writer.js';
import { MANIFEST_JSON } from './docker-archive.js';
import { dockerName } from './docker-name.js';
import type { ExportedEntries, PlannedArchive } from './export-images.js';
import { type ChosenPart, partsFor } from './export-parts.js';
import type { ExportStore } from './exported-blob.js';
import { type LayerTar, layerTar } from './layer-tar.js';
import { readDocument } from '../images/read-document.js';

/** An image of the archive. Files are named by their digests. */
interface DockerImage {
  readonly Config: string;
  readonly RepoTags: string[];
  readonly Layers: readonly string[];
}

/** What `docker load` reads: manifest.json first, then configurations, then layers as plain tars, each once. */
export async function dockerArchive(
  store: ExportStore,
  { entries, platform, signal }: ExportedEntries,
): Promise<PlannedArchive> {
  const images = new Map<string, DockerImage>();
  const configs = new Map<string, Buffer>();
  const layers = new Map<string, LayerTar>();
  for (const { entry, part } of await partsFor(
    store,
    entries,
    platform ?? hostPlatform(),
    platform !== undefined,
  )) {
    const known = images.get(part.manifest.digest) ?? (await imageOf(store, part, configs, layers, signal));
    images.set(part.manifest.digest, known);
    const name = refNameOf(entry);
    if (name !== undefined) known.RepoTags.push(tagOf(name));
  }
  const manifest = Buffer.from(JSON.stringify([...images.values()]));
  const sizes = [...layers.values()].map(({ size }) => size);
  return {
    size: sizes.every((size) => size !== undefined)
      ? tarSize([manifest.length, ...[...configs.values()].map(({ length }) => length), ...sizes])
      : undefined,
    write: async (to) => {
      await to.text(MANIFEST_JSON, manifest);
      for (const [name, config] of configs) await to.text(name, config);
      if (to.sizesFirst) await giveSized([...layers], to);
      else for (const [name, layer] of layers) await layer.give((bytes, size) => to.file(name, size, bytes));
    },
  };
}

/** The next layer is counted while one is given. */
async function giveSized(layers: readonly (readonly [string, LayerTar])[], to: ArchiveWriter): Promise<void> {
  let preparing: Promise<unknown> | undefined;
  try {
    for (const [index, [name, layer]] of layers.entries()) {
      preparing = Promise.all([layer.prepare?.(), preparing]).then(() => layers[index + 1]?.[1].prepare?.());
      preparing.catch(() => undefined);
      await layer.giveSized((bytes, size) => to.file(name, size, bytes));
    }
  } finally {
    await preparing?.catch(() => undefined);
  }
}

async function imageOf(
  store: ExportStore,
  { manifest, needs: [config, ...blobs] }: ChosenPart['part'],
  configs: Map<string, Buffer>,
  layers: Map<string, LayerTar>,
  signal?: AbortSignal,
): Promise<DockerImage> {
  if (config === undefined)
    throw new CasError('IMAGE_INVALID', { subject: manifest.digest, expected: 'an image' });
  const text = await readDocument(store.blobs, config.digest);
  const { diffs } = parseConfig(text, config.digest);
  if (diffs.length !== blobs.length)
    throw new CasError('IMAGE_INVALID', {
      subject: config.digest,
      expected: `${blobs.length} DiffIDs, one for each layer`,
      found: diffs.length,
    });
  const name = `${hexOf(sha256Of(text))}.json`;
  configs.set(name, text);
  const files = diffs.map((diff) => `${hexOf(diff)}.tar`);
  for (const [index, blob] of blobs.entries()) {
    const [file, diff] = [files[index], diffs[index]];
    if (file === undefined || diff === undefined || layers.has(file)) continue;
    layers.set(file, await layerTar(store, blob, diff, signal));
  }
  return { Config: name, RepoTags: [], Layers: files };
}

/** @throws CasError IMAGE_NAME_INVALID: an image without its name is not what was asked for */
function tagOf(name: string): string {
  const tag = dockerName(name);
  if (tag !== undefined) return tag;
  throw new CasError('IMAGE_NAME_INVALID', {
    subject: safeJson(name),
    expected: 'a name of Docker, or the digest of the image, which needs none',
  });
}
