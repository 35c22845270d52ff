import { CasError } from '../errors.js';
import type { Descriptor, Platform } from '../images/descriptor.js';
import { parsePlatform } from '../images/platform.js';
import type { Progress } from '../layers/split-tar.js';
import { type OutputFile, withOutputFile } from '../output-file.js';
import { writeArchive } from './write-archive.js';
import type { ArchiveFormat } from './archive-formats.js';
import { archive, type ArchiveWriter } from './archive-writer.js';
import { dockerArchive } from './export-docker.js';
import { ociArchive } from './export-oci.js';
import type { ExportStore } from './exported-blob.js';
import { findImages } from './find-images.js';

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

/** What an archive is to be. */
export interface PlannedArchive {
  /** Bytes; undefined where they are known only at the end. */
  readonly size: number | undefined;
  /** Gives the files of the archive; every blob is checked meanwhile. */
  readonly write: (to: ArchiveWriter) => Promise<void>;
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
  options: ExportOptions = {},
): Promise<ExportedImages> {
  const { size, write } = await planned(store, names, options);
  return { size, bytes: archive(write) };
}

/**
 * Writes the same bytes to an empty file. It is whole only if no error came.
 * @returns how many they are
 * @throws CasError FILE_UNREACHABLE before anything was written; as {@link exportImages}; the system's error
 */
export async function exportToFile(
  store: ExportStore,
  names: readonly string[],
  file: OutputFile,
  options: ExportOptions & { readonly progress?: (progress: Progress) => void } = {},
): Promise<number> {
  const { size: total, write } = await planned(store, names, options);
  return withOutputFile(file, (fd) => writeArchive(fd, write, { total, progress: options.progress }));
}

async function planned(
  store: ExportStore,
  names: readonly string[],
  { format = 'oci-archive', platform, signal }: ExportOptions,
): Promise<PlannedArchive> {
  const wanted = platform === undefined ? undefined : platformOf(platform);
  await store.layers.load();
  const entries = await findImages(store, names);
  const plan = format === 'oci-archive' ? ociArchive : dockerArchive;
  return plan(store, { entries, platform: wanted, signal });
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
