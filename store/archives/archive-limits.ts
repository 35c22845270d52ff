import { DOCUMENT_LIMIT } from '../images/manifest.js';

/** What an archive of images may ask of who reads it. */
export interface ArchiveLimits {
  /** Bytes of a manifest, an index, a configuration: they are read as a whole. */
  readonly document: number;
  /** Bytes of all documents of one archive that are held until it has been read. */
  readonly documents: number;
  /** Bytes of all manifests and indexes that index.json leads to: what they name is held until all of it is there. */
  readonly manifests: number;
  /** Bytes that each of them counts as beside its own, and a link. */
  readonly overhead: number;
  /** Files that may turn out to be layers: each is an ingest until it is known. */
  readonly layers: number;
  /** Indexes within each other. */
  readonly depth: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  document: DOCUMENT_LIMIT,
  documents: 64 << 20,
  manifests: 256 << 20,
  overhead: 512,
  layers: 4096,
  depth: 4,
};
