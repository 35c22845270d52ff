import { CasError } from '../errors.js';
import { type Descriptor, FULL_NAME, REF_NAME } from '../images/descriptor.js';
import type { Reference } from '../images/manifest.js';
import { ARCHIVE_LIMITS } from './archive-limits.js';
import { incomplete, imageParts, type ImagePart, type ReadDocument } from './image-parts.js';

/** Layers that may be absent, since nobody may pass them on (OCI image-spec, "Non-Distributable Layers"). */
const NOT_DISTRIBUTABLE = /nondistributable|\.foreign\./;

/** How entries are checked. */
export interface Check {
  /** Whether every platform of an index has to be there. */
  readonly all?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The most bytes of manifests and indexes. */
  readonly limit?: number;
}

/**
 * Checks that all is there that entries of an index.json lead to. Of an index platforms may be absent as a whole, unless
 * `all` are wanted: Docker and containerd save those they have.
 * @param obtain makes sure that the store has what manifests need
 * @throws CasError IMAGE_INCOMPLETE, IMAGE_INVALID, ARCHIVE_TOO_LARGE; what the functions throw
 */
export async function checkImages(
  entries: readonly Descriptor[],
  { all = false, signal, limit = ARCHIVE_LIMITS.manifests }: Check,
  read: ReadDocument,
  obtain: (needed: readonly Reference[]) => Promise<void>,
): Promise<void> {
  let size = 0;
  const counted: ReadDocument = async (descriptor) => {
    signal?.throwIfAborted();
    const bytes = await read(descriptor);
    size += bytes?.length ?? 0;
    if (size <= limit) return bytes;
    throw new CasError('ARCHIVE_TOO_LARGE', { expected: `at most ${limit} bytes of manifests`, found: size });
  };
  const needed = new Map<string, Reference>();
  for (const entry of new Map(entries.map((entry) => [entry.digest, entry])).values()) {
    const { images, absent } = await imageParts(entry, counted);
    if (all && absent[0]) throw incomplete(absent[0]);
    for (const one of images.flatMap(leavesOf)) needed.set(one.digest, one);
  }
  await obtain([...needed.values()]);
}

/** What a manifest leads to, and itself where nothing is known of it. */
function leavesOf({ manifest, needs }: ImagePart): Reference[] {
  return needs.length === 0
    ? [manifest]
    : needs.filter(({ mediaType = '' }) => !NOT_DISTRIBUTABLE.test(mediaType));
}

/**
 * An entry of an index.json as it is kept here: what Docker and BuildKit call only by its tag is called by its full name.
 */
export function withFullName(entry: Descriptor): Descriptor {
  const { [FULL_NAME]: fullName, ...annotations } = entry.annotations ?? {};
  if (fullName === undefined || fullName === '') return entry;
  return { ...entry, annotations: { ...annotations, [REF_NAME]: fullName } };
}

/** The error for what is no OCI image layout. */
export function noLayout(found: string): CasError {
  return new CasError('ARCHIVE_INVALID', {
    expected: 'manifest.json of docker save, or oci-layout and index.json',
    found,
  });
}
