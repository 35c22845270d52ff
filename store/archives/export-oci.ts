import { algorithmOf, hexOf } from '../digest.js';
import type { Descriptor, Platform } from '../images/descriptor.js';
import { INDEX_JSON, LAYOUT_TEXT, OCI_LAYOUT } from '../images/index-file.js';
import { indexText } from '../images/index-json.js';
import type { Reference } from '../images/manifest.js';
import { tarSize } from './archive-writer.js';
import type { ExportedEntries, PlannedArchive } from './export-images.js';
import { partsFor, wholeParts } from './export-parts.js';
import { type ExportStore, withContent } from './exported-blob.js';

/** An OCI image layout as a tar: what tells of the images first, then indexes, manifests, and what those need. */
export async function ociArchive(
  store: ExportStore,
  { entries, platform, signal }: ExportedEntries,
): Promise<PlannedArchive> {
  const plans = await plansOf(store, entries, platform);
  const blobs = new Map(plans.flatMap(({ needs }) => needs).map((blob) => [blob.digest, blob]));
  const index = indexText({ schemaVersion: 2, manifests: plans.map(({ entry }) => entry) });
  const layout = Buffer.from(LAYOUT_TEXT);
  const directories = [
    'blobs/',
    ...[...new Set([...blobs.values()].map(({ digest }) => algorithmOf(digest)))]
      .sort()
      .map((algorithm) => `blobs/${algorithm}/`),
  ];
  const sizes = [layout.length, index.length, ...directories.map(() => 0)];
  return {
    size: tarSize([...sizes, ...[...blobs.values()].map(({ size }) => size)]),
    write: async (to) => {
      await to.text(OCI_LAYOUT, layout);
      await to.text(INDEX_JSON, index);
      for (const directory of directories) await to.directory(directory);
      for (const blob of blobs.values()) {
        const name = `blobs/${algorithmOf(blob.digest)}/${hexOf(blob.digest)}`;
        const how = { signal, again: !to.sizesFirst };
        await withContent(store, blob, (bytes) => to.file(name, blob.size, bytes), how);
      }
    },
  };
}

/** An entry of the archive, and the blobs that it leads to. */
interface Plan {
  readonly entry: Descriptor;
  readonly needs: readonly Reference[];
}

async function plansOf(
  store: ExportStore,
  entries: readonly Descriptor[],
  platform: Platform | undefined,
): Promise<Plan[]> {
  if (platform !== undefined) {
    const chosen = await partsFor(store, entries, platform, true);
    return chosen.map(({ entry: { annotations }, part: { manifest, needs } }) => ({
      entry: { ...manifest, ...(annotations && { annotations }) },
      needs: [manifest, ...needs],
    }));
  }
  const plans: Plan[] = [];
  for (const entry of entries) {
    const { indexes, images } = await wholeParts(store, entry);
    const manifests = images.map(({ manifest }) => manifest);
    plans.push({ entry, needs: [...indexes, ...manifests, ...images.flatMap(({ needs }) => needs)] });
  }
  return plans;
}
