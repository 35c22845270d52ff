import { CasError } from '../errors.js';
import { type Descriptor, keyOf, type Platform, refNameOf } from '../images/descriptor.js';
import { parseConfig } from '../images/image-config.js';
import type { Reference } from '../images/manifest.js';
import { platformText, runsOn } from '../images/platform.js';
import { canGive, type ExportStore } from './exported-blob.js';
import { type ImagePart, type ImageParts, imageParts, incomplete } from './image-parts.js';
import { readDocument } from '../images/read-document.js';

/**
 * What the store has of an entry: platforms of an index that are not whole are left out.
 * @throws CasError IMAGE_INCOMPLETE where nothing is whole; IMAGE_INVALID, BLOB_DAMAGED
 */
export async function wholeParts(store: ExportStore, entry: Descriptor): Promise<ImageParts> {
  const { blobs } = store;
  const parts = await imageParts(entry, async ({ digest }) =>
    blobs.stat(digest) ? readDocument(blobs, digest) : undefined,
  );
  const missing = ({ manifest, needs }: ImagePart): Reference | undefined =>
    [manifest, ...needs].find((one) => !canGive(store, one));
  const images = parts.images.filter((part) => missing(part) === undefined);
  const first = parts.images.map(missing).find((one) => one !== undefined);
  if (images.length === 0 && first) throw incomplete(first);
  return { ...parts, images };
}

/** An image that was chosen for a platform, and an entry that leads to it. */
export interface ChosenPart {
  readonly entry: Descriptor;
  readonly part: ImagePart;
}

/**
 * The images of entries for a platform: of those of one name, and of each index, the first that runs on it. One that is
 * alone is taken unless its platform was `asked` for and is another.
 * @throws CasError PLATFORM_NOT_FOUND, and as {@link wholeParts}
 */
export async function partsFor(
  store: ExportStore,
  entries: readonly Descriptor[],
  wanted: Platform,
  asked: boolean,
): Promise<ChosenPart[]> {
  const groups = new Map<string, Descriptor[]>();
  for (const entry of entries) groups.set(keyOf(entry), [...(groups.get(keyOf(entry)) ?? []), entry]);
  const chosen: ChosenPart[] = [];
  for (const group of groups.values()) {
    const found = await firstFor(store, group, wanted, asked || group.length > 1);
    if (found) chosen.push(found);
    else
      throw new CasError('PLATFORM_NOT_FOUND', {
        subject: (group[0] && refNameOf(group[0])) ?? group[0]?.digest ?? '',
        expected: platformText(wanted),
      });
  }
  return chosen;
}

async function firstFor(
  store: ExportStore,
  entries: readonly Descriptor[],
  wanted: Platform,
  asked: boolean,
): Promise<ChosenPart | undefined> {
  for (const entry of entries) {
    for (const part of (await wholeParts(store, entry)).images) {
      const platform = part.ofIndex || asked ? await platformOf(store, part) : wanted;
      if (platform && runsOn(platform, wanted)) return { entry, part };
    }
  }
  return undefined;
}

async function platformOf(
  { blobs }: ExportStore,
  { manifest, needs }: ImagePart,
): Promise<Platform | undefined> {
  if (manifest.platform) return manifest.platform;
  const [config] = needs;
  return config && parseConfig(await readDocument(blobs, config.digest), config.digest).platform;
}
