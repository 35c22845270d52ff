import type { Digest } from '../digest.js';
import { CasError } from '../errors.js';
import { descend } from './descend.js';
import type { Documents } from './documents.js';
import { type Image, readImage } from './image.js';
import { kindOf, type Reference } from './manifest.js';

/** All that an entry of index.json leads to. */
export interface Reach {
  /** Blobs: indexes, manifests, configs and layers, on all platforms. */
  readonly digests: ReadonlySet<Digest>;
  readonly images: readonly Image[];
  /** Blobs that are not there, or are damaged: what they lead to is not known before they come. */
  readonly missing: readonly Digest[];
  /** The error of the system because of which it is not known now what else there is; the next time it may be. */
  readonly failure?: unknown;
}

/** Reads all that an entry leads to. What can never be read leads to nothing. */
export async function reachOf(documents: Documents, entry: Reference): Promise<Reach> {
  const digests = new Set<Digest>([entry.digest]);
  const images: Image[] = [];
  const missing: Digest[] = [];
  let failure: unknown;
  const missed = (digest: Digest, error: unknown): void => {
    if (!(error instanceof CasError)) failure ??= error;
    else if (error.code !== 'IMAGE_INVALID') missing.push(digest);
  };
  try {
    for await (const { reference, index, fault } of descend(documents, entry)) {
      digests.add(reference.digest);
      if (fault !== undefined) missed(reference.digest, fault);
      if (index !== undefined || fault !== undefined || kindOf(reference) === 'other') continue;
      try {
        const image = await readImage(documents, reference);
        images.push(image);
        for (const { digest } of [image.config, ...image.blobs]) digests.add(digest);
        if (image.fault !== undefined) missed(image.config.digest, image.fault);
      } catch (error) {
        missed(reference.digest, error);
      }
    }
  } catch (error) {
    // Where there is too much of it, it leads to what was found so far.
    if (!(error instanceof CasError)) failure ??= error;
  }
  return { digests, images, missing, failure };
}
