import { CasError } from '../errors.js';
import type { Descriptor } from '../images/descriptor.js';
import { checkKind, kindOf, parseDocument, type Reference, reference } from '../images/manifest.js';
import { takingTurns } from '../tree/turns.js';
import { ARCHIVE_LIMITS } from './archive-limits.js';

/** A manifest and what it needs. */
export interface ImagePart {
  readonly manifest: Reference;
  /** Its configuration, then its layers, the lowest first. */
  readonly needs: readonly Reference[];
  /** It is one of several of an index. */
  readonly ofIndex: boolean;
}

/** All that an entry of index.json leads to, each once. */
export interface ImageParts {
  /** Indexes, the outer ones first. */
  readonly indexes: readonly Reference[];
  readonly images: readonly ImagePart[];
  /** Manifests of indexes that are not there: of platforms that nobody has asked for. */
  readonly absent: readonly Reference[];
}

/** Gives the bytes of a manifest or an index; undefined where it is not there. */
export type ReadDocument = (descriptor: Reference) => Promise<Buffer | undefined>;

/** Descriptors that lead to nothing that is read, between two turns of the event loop: some 0.1 ms. */
const UNREAD = 64;

/**
 * Finds out what an entry of index.json leads to. A turn of the event loop is between any two documents.
 * @throws CasError IMAGE_INCOMPLETE where nothing of it is there; IMAGE_INVALID
 */
export async function imageParts(entry: Descriptor, read: ReadDocument): Promise<ImageParts> {
  const found = { indexes: [] as Reference[], images: [] as ImagePart[], absent: [] as Reference[] };
  const seen = new Set<string>();
  const [afterDocument, afterUnread] = [takingTurns(1), takingTurns(UNREAD)];
  const walk = async (descriptor: Reference, depth: number): Promise<void> => {
    if (seen.has(descriptor.digest)) return;
    seen.add(descriptor.digest);
    // Of what is neither manifest nor index nothing is known but that it is needed.
    const opaque = kindOf(descriptor) === 'other';
    const bytes = opaque ? undefined : await read(descriptor);
    const document = bytes && parseDocument(bytes, descriptor.digest);
    await (document ? afterDocument() : afterUnread());
    if (document) checkKind(descriptor, document.kind, descriptor.digest);
    if (document?.kind === 'index') {
      if (depth === ARCHIVE_LIMITS.depth)
        throw new CasError('IMAGE_INVALID', { subject: descriptor.digest, found: 'too many nested indexes' });
      found.indexes.push(descriptor);
      for (const manifest of document.manifests) await walk(manifest, depth + 1);
    } else if (document || opaque) {
      const needs = document ? [document.config, ...document.layers] : [];
      found.images.push({ manifest: descriptor, needs, ofIndex: depth > 0 });
    } else {
      found.absent.push(descriptor);
    }
  };
  const root = reference(entry, 'index.json', 'manifests');
  await walk(root, 0);
  if (found.images.length === 0 && found.absent[0]) throw incomplete(found.absent[0]);
  return found;
}

/** The error for what an image needs and does not have. */
export function incomplete({ digest, mediaType }: Descriptor): CasError {
  return new CasError('IMAGE_INCOMPLETE', { subject: digest, ...(mediaType && { expected: mediaType }) });
}
