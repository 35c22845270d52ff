/** The formats of archives that can be written. Alone here: `cas` needs nothing else of the store's archives. */
export const ARCHIVE_FORMATS = ['oci-archive', 'docker-archive'] as const;
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number];
