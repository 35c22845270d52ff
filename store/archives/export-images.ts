import { CasError } from '../errors.js';
import type { Descriptor } from '../images/descriptor.js';
import { parsePlatform } from '../images/platform.js';
import type { Platform } from '../images/descriptor.js';
import { dockerArchive } from './export-docker.js';
import { ociArchive } from './export-oci.js';
import type { ExportStore } from './exported-blob.js';
import { findImages } from './find-images.js';

/** The formats of archives that can be written. */
export const ARCHIVE_FORMATS = ['oci-archive', 'docker-archive'] as const;
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number];

/** What an archive is to hold. */
export interface ExportOptions {
  readonly format?: ArchiveFormat;
  /** `os/arch[/variant]`: of an index only what is for that. */
  readonly platform?: string;
  readonly signal?: AbortSignal;
}

/** An archive that is about to be read. */
export interface ExportedImages {
  /** Bytes; undefined where they are known only at the end. */
  readonly size: number | undefined;
  /** Good only if no error came. Every blob is checked while it is read. */
  readonly bytes: AsyncGenerator<Buffer, void>;
}

/** What an export works on. */
export interface ExportedEntries {
  readonly entries: readonly Descriptor[];
  readonly platform: Platform | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Makes an archive of images, named as {@link findImages} takes it; the same images give the same bytes.
 * @throws CasError IMAGE_NOT_FOUND, IMAGE_INCOMPLETE, IMAGE_INVALID, IMAGE_NAME_INVALID, PLATFORM_NOT_FOUND; the bytes
 *   BLOB_DAMAGED, LAYER_DAMAGED, IMAGE_INVALID
 */
export async function exportImages(
  store: ExportStore,
  names: readonly string[],
  { format = 'oci-archive', platform, signal }: ExportOptions = {},
): Promise<ExportedImages> {
  const wanted = platform === undefined ? undefined : platformOf(platform);
  await store.layers.load();
  const entries = await findImages(store, names);
  const write = format === 'oci-archive' ? ociArchive : dockerArchive;
  return write(store, { entries, platform: wanted, signal });
}

function platformOf(text: string): Platform {
  try {
    return parsePlatform(text);
  } catch (error) {
    throw new CasError('PLATFORM_NOT_FOUND', {
      subject: text,
      expected: error instanceof Error ? error.message : '',
    });
  }
}
