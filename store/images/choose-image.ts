import { isCasError, CasError } from '../errors.js';
import { checkComponent } from '../ref.js';
import type { Platform } from './descriptor.js';
import { descend } from './descend.js';
import type { Documents } from './documents.js';
import { type Image, readImage } from './image.js';
import { kindOf, type Reference } from './manifest.js';
import { runsOn } from './platform.js';

/** What an entry of index.json leads to. */
export interface Chosen {
  readonly entry: Reference;
  /** The entry, where it is an index. */
  readonly index?: Reference;
  /** The entry, or the manifest for the platform that is wanted. */
  readonly manifest?: Reference;
  readonly image?: Image;
  /** The manifests of an index by the names of their platforms, or by their digests where that is not one's alone. */
  readonly platforms: ReadonlyMap<string, Reference>;
  /** Why there is no image, or none whose layers are known. */
  readonly fault?: CasError;
}

/**
 * Finds the image of an entry. Of several in an index, the first that runs on `wanted` (OCI image-spec, "Image Index").
 * @throws the system's errors
 */
export async function chooseImage(documents: Documents, entry: Reference, wanted: Platform): Promise<Chosen> {
  const none = { entry, platforms: new Map<string, Reference>() };
  if (kindOf(entry) === 'other') return { ...none, manifest: entry };
  try {
    const kind = (await documents.document(entry)).kind;
    if (kind === 'manifest') return { ...none, manifest: entry, ...(await imageOf(documents, entry)) };
    return { entry, index: entry, ...(await chooseIn(documents, entry, wanted)) };
  } catch (fault) {
    if (!(fault instanceof CasError)) throw fault;
    return { ...none, fault, ...(kindOf(entry) === 'index' ? { index: entry } : { manifest: entry }) };
  }
}

/** What a manifest leads to. @throws the system's errors */
export async function imageOf(
  documents: Documents,
  manifest: Reference,
): Promise<Pick<Chosen, 'image' | 'fault'>> {
  try {
    const image = await readImage(documents, manifest);
    return { image, ...(image.fault && { fault: image.fault }) };
  } catch (fault) {
    if (!(fault instanceof CasError)) throw fault;
    return { fault };
  }
}

async function chooseIn(
  documents: Documents,
  index: Reference,
  wanted: Platform,
): Promise<Pick<Chosen, 'manifest' | 'image' | 'fault' | 'platforms'>> {
  const platforms = new Map<string, Reference>();
  let chosen: Reference | undefined;
  let missing: CasError | undefined;
  for await (const { reference, index: inner, fault } of descend(documents, index)) {
    if (fault !== undefined) missing ??= fault;
    if (inner !== undefined || fault !== undefined || kindOf(reference) === 'other') continue;
    const platform = reference.platform ?? (await imageOf(documents, reference)).image?.platform;
    const name = platform && platformName(platform);
    platforms.set(name === undefined || platforms.has(name) ? reference.digest : name, reference);
    if (chosen === undefined && platform !== undefined && runsOn(platform, wanted)) chosen = reference;
  }
  if (chosen === undefined) return { platforms, ...(missing && { fault: missing }) };
  return { platforms, manifest: chosen, ...(await imageOf(documents, chosen)) };
}

/** `<os>-<architecture>[-<variant>]`; undefined where that can be no name. */
function platformName({ os, architecture, variant }: Platform): string | undefined {
  const name = [os, architecture, variant].filter((part) => part !== undefined).join('-');
  try {
    checkComponent(name);
    return name;
  } catch (error) {
    if (isCasError(error, 'REF_INVALID') || isCasError(error, 'REF_NOT_UTF8')) return undefined;
    if (isCasError(error, 'REF_TOO_LONG')) return undefined;
    throw error;
  }
}
