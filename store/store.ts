import fs from 'node:fs';
import { join } from 'node:path';
import { AdditionalLayers, heldByUses } from './als/additional-layers.js';
import { Uses } from './als/uses.js';
import type { BlobLabels } from './blob-labels.js';
import { Blobs } from './blobs.js';
import { type Durability, durabilityFor, type SyncPolicy } from './durability.js';
import { CasError } from './errors.js';
import { ensureDirectories, isCode } from './files.js';
import type { Platform } from './images/descriptor.js';
import { BlobDiffs } from './images/blob-diffs.js';
import { Documents } from './images/documents.js';
import { heldByImages } from './images/held-by-images.js';
import { ImageIndex } from './images/image-index.js';
import { ImageMaps } from './images/image-maps.js';
import { INDEX_JSON, OCI_LAYOUT } from './images/index-file.js';
import { UnpackedImages } from './images/unpacked-images.js';
import { Ingests, type IngestsOptions } from './ingest/ingests.js';
import type { Layer } from './layers/layer.js';
import type { Held, Layers } from './layers/layers.js';
import type { LayerLimits } from './layers/limits.js';
import { openLayers } from './layers/open-layers.js';
import { lockStore, type StoreLock } from './lock.js';
import { openLabels } from './open-labels.js';
import type { Stacks } from './stacks/stacks.js';

/** The version of the layout on disk that this code reads and writes. */
export const FORMAT = 1;

/** What may stand in a directory that becomes a store: nothing, a fresh disk's own, a containerd content root, an OCI image layout. */
const ADOPTABLE = new Set(['lost+found', 'blobs', 'ingest', INDEX_JSON, OCI_LAYOUT, 'lock', 'format.tmp']);

export interface StoreOptions extends IngestsOptions {
  /** When a commit is acknowledged; see {@link SyncPolicy}. Default `commit`. */
  readonly sync?: SyncPolicy;
  /** What a layer may be at most; see {@link LAYER_LIMITS}. */
  readonly limits?: Partial<LayerLimits>;
  /** What image indexes are looked through for. Default: what this machine is. */
  readonly platform?: Platform;
}

/** An open store: the directory is locked until {@link Store.close}. */
export interface Store {
  readonly root: string;
  readonly format: number;
  readonly durability: Durability;
  readonly blobs: Blobs;
  readonly labels: BlobLabels;
  readonly ingests: Ingests;
  readonly images: ImageIndex;
  readonly unpacked: UnpackedImages;
  readonly additional: AdditionalLayers;
  readonly layers: Layers;
  readonly stacks: Stacks;
  /** Ends all work and gives the lock back. A second call is the same as the first. */
  close(): Promise<void>;
}

/**
 * Opens the store at `root`, making it where there is none. Nothing is scanned: a store of a million blobs opens
 * as fast as an empty one.
 * @throws CasError STORE_LOCKED, STORE_FORMAT, STORE_INVALID, STORE_UNREADABLE
 */
export async function openStore(root: string, options: StoreOptions = {}): Promise<Store> {
  let lock: StoreLock | undefined;
  try {
    await ensureDirectories(root, 0o700);
    checkContents(root);
    lock = lockStore(join(root, 'lock'));
    // World-traversable stores have exposed setuid files of layers (CVE-2021-41091, CVE-2021-41103).
    fs.chmodSync(root, 0o700);
    writeFormat(root);
    const durability = durabilityFor(root, options.sync ?? 'commit');
    const blobs = await Blobs.open(join(root, 'blobs'), durability, options.report);
    const labels = openLabels(root, blobs, options.report);
    return assemble(root, durability, blobs, labels, lock, options);
  } catch (error) {
    lock?.release();
    throw explain(error, root);
  }
}

function assemble(
  root: string,
  durability: Durability,
  blobs: Blobs,
  labels: BlobLabels,
  lock: StoreLock,
  options: StoreOptions,
): Store {
  const ingests = new Ingests(root, blobs, durability, options);
  const { limits = {}, verify, report = () => undefined } = options;
  const images = new ImageIndex(root, report);
  const documents = new Documents(blobs);
  const maps = new ImageMaps(images, documents);
  const uses = new Uses(root);
  const held = async (all: readonly Layer[]): Promise<Held> => {
    const [images, used] = [await heldByImages(maps, all, report), await heldByUses(uses, all, report)];
    return { holds: [...images.holds, ...used.holds], complete: images.complete && used.complete };
  };
  const opened = openLayers(root, { limits, verify: verify === 'always', held }, options.report);
  const { layers } = opened;
  const diffs = new BlobDiffs(blobs, layers);
  const unpacked = new UnpackedImages({
    index: images,
    maps,
    documents,
    blobs,
    layers,
    diffs,
    platform: options.platform,
    report,
  });
  const additional = new AdditionalLayers({ uses, maps, unpacked, layers, diffs, blobs });
  const closeAll = async (): Promise<void> => {
    try {
      await additional.close();
      await unpacked.close();
      await images.close();
      await ingests.close();
      await durability.flush();
    } finally {
      await opened.close();
      await labels.close();
      await blobs.close();
      lock.release();
    }
  };
  let closed: Promise<void> | undefined;
  return {
    root,
    format: FORMAT,
    durability,
    blobs,
    labels,
    ingests,
    images,
    unpacked,
    additional,
    layers,
    stacks: opened.stacks,
    close: () => (closed ??= closeAll()),
  };
}

function checkContents(root: string): void {
  const names = fs.readdirSync(root);
  if (names.includes('format')) {
    checkFormat(root);
    return;
  }
  const foreign = names.find((name) => !ADOPTABLE.has(name));
  if (foreign === undefined) return;
  throw new CasError('STORE_INVALID', {
    subject: root,
    errno: 'ENOTEMPTY',
    expected: 'an empty directory or a store',
    found: foreign,
  });
}

function writeFormat(root: string): void {
  const path = join(root, 'format');
  if (fs.existsSync(path)) return;
  fs.writeFileSync(`${path}.tmp`, `${FORMAT}\n`, { mode: 0o600, flush: true });
  fs.renameSync(`${path}.tmp`, path);
}

function checkFormat(root: string): void {
  const found = fs.readFileSync(join(root, 'format'), 'utf8').trim();
  if (found !== `${FORMAT}`) throw new CasError('STORE_FORMAT', { subject: root, expected: FORMAT, found });
}

function explain(error: unknown, root: string): unknown {
  for (const code of ['EACCES', 'EPERM', 'EROFS', 'EIO', 'ENOSPC']) {
    if (isCode(error, code))
      return new CasError('STORE_UNREADABLE', { subject: root, errno: code, found: code, cause: error });
  }
  for (const code of ['ENOTDIR', 'EEXIST', 'ELOOP']) {
    if (isCode(error, code))
      return new CasError('STORE_INVALID', { subject: root, found: code, cause: error });
  }
  return error;
}
