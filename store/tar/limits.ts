/** What a tar may ask of its reader. */
export interface TarLimits {
  /** Entries; extended headers do not count. */
  readonly entries: number;
  /** Bytes in the body of one extended header (x, g, L, K), as in Go's archive/tar. */
  readonly extendedHeader: number;
  /** Bytes of all headers and sparse maps before the data of one entry: who keeps a record holds them in memory. */
  readonly entryHeaders: number;
  /** Ranges with data in one sparse file. */
  readonly extents: number;
  /** Bytes of a file as it is read, holes counted. The default is the largest file that ext4 can hold. */
  readonly fileSize: number;
  /** Bytes in the value of one extended attribute. The default is XATTR_SIZE_MAX of Linux. */
  readonly xattr: number;
}

export const TAR_LIMITS: TarLimits = {
  entries: 2_000_000,
  extendedHeader: 1 << 20,
  entryHeaders: 8 << 20,
  extents: 1 << 17,
  fileSize: 2 ** 44,
  xattr: 1 << 16,
};

/** For bytes that were accepted before. Memory for an extended header is asked for by its size, so that has a bound. */
export const NO_LIMITS: TarLimits = {
  entries: Infinity,
  extendedHeader: 2 ** 30,
  entryHeaders: Infinity,
  extents: Infinity,
  fileSize: Number.MAX_SAFE_INTEGER,
  xattr: Infinity,
};
