import { CasError } from '../errors.js';
import { type Descriptor, REF_NAME, refNameOf } from '../images/descriptor.js';
import { safeJson } from '../json.js';
import type { Progress } from '../layers/split-tar.js';
import type { Store } from '../store.js';
import { Incoming } from './incoming.js';

/** How images are taken in. */
export interface ImportOptions {
  /** What they are called here; their own names where none is given. */
  readonly names?: readonly string[];
  /** Whether every platform of an index has to be there. */
  readonly all?: boolean;
  readonly signal?: AbortSignal;
  /** Entries are files. */
  readonly progress?: (progress: Progress) => void;
}

/** An image that was taken in. */
export interface ImportedImage {
  readonly name: string | undefined;
  readonly digest: string;
}

/** What an OCI name is, but that separators may be repeated, as Docker has them. */
const NAME = /^[A-Za-z0-9]+(?:[-._:@+/]+[A-Za-z0-9]+)*$/;
const LONGEST_NAME = 512;

/**
 * Takes in images: `receive` brings their blobs and gives their entries, which all become part of index.json in one step
 * once everything is durable. Where that fails, index.json is as it was and no ingest is left; blobs whose digests were
 * right stay.
 * @throws CasError IMAGE_NAME_INVALID; ARCHIVE_INVALID for more than one image to be named; what `receive` throws
 */
export async function importImages(
  store: Store,
  { names = [], signal }: ImportOptions,
  receive: (incoming: Incoming) => Promise<readonly Descriptor[]>,
): Promise<ImportedImage[]> {
  names.forEach(checkName);
  await store.images.load();
  const incoming = new Incoming(store, signal);
  try {
    const entries = named(await receive(incoming), names);
    await incoming.settled();
    signal?.throwIfAborted();
    await store.images.put(entries);
    return entries.map((entry) => ({ name: refNameOf(entry), digest: entry.digest }));
  } catch (error) {
    throw ofArchive(error);
  } finally {
    await incoming.discard();
  }
}

/** @throws CasError IMAGE_NAME_INVALID */
function checkName(name: string): void {
  if (!NAME.test(name) || name.length > LONGEST_NAME || name.includes('//'))
    throw new CasError('IMAGE_NAME_INVALID', { subject: safeJson(name) });
}

function named(entries: readonly Descriptor[], names: readonly string[]): readonly Descriptor[] {
  const [entry] = entries;
  if (entry === undefined)
    throw new CasError('ARCHIVE_INVALID', { expected: 'an image', found: 'none in the index' });
  if (names.length === 0) return entries;
  const images = new Set(entries.map(({ digest }) => digest)).size;
  if (images > 1)
    throw new CasError('IMAGE_NAME_INVALID', {
      subject: names.join(', '),
      found: `${images} images to name`,
    });
  return names.map((name) => ({ ...entry, annotations: { ...entry.annotations, [REF_NAME]: name } }));
}

/** What a tar or a compression is refused for is told of an archive here. */
function ofArchive(error: unknown): unknown {
  if (!(error instanceof CasError)) return error;
  const { code, subject, expected, found } = error;
  if (code !== 'LAYER_INVALID' && code !== 'LAYER_TOO_LARGE') return error;
  return new CasError(code === 'LAYER_INVALID' ? 'ARCHIVE_INVALID' : 'ARCHIVE_TOO_LARGE', {
    ...(subject !== undefined && { subject }),
    ...(expected !== undefined && { expected }),
    ...(found !== undefined && { found }),
    cause: error,
  });
}
