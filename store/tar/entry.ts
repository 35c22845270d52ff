/** Bytes of a tar as text: one character per byte (latin1), so that any bytes survive and names can be map keys. */
export type ByteText = string;

/** A point in time: whole seconds since the epoch, which may be negative, and what comes on top. */
export interface Time {
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanoseconds: number;
}

/** An extended attribute; values may hold any bytes. */
export type Xattr = readonly [name: ByteText, value: Buffer];

/** A range of a file that has data. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** What a tar entry can be. */
export type EntryType = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/** An entry of a tar as its headers say, extended ones applied. */
export interface TarEntry {
  readonly type: EntryType;
  /** As it stands in the tar, not cleaned. */
  readonly name: ByteText;
  /** The target of a link or symlink, else empty. */
  readonly linkName: ByteText;
  /** Permissions, at most 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  /** The size of the file as it is read; 0 for what is no file. */
  readonly size: number;
  /**
   * The bytes of data that follow in the tar, without padding. Fewer than `size` where the file is sparse; its map is
   * not among them, even in GNU's format 1.0, which has it before the data: there it counts as a header.
   */
  readonly stored: number;
  /** Where a sparse file has data, in order and without overlap; what is stored is these ranges, one after the other. */
  readonly sparse?: readonly Extent[];
  readonly major: number;
  readonly minor: number;
  /** SCHILY.xattr.*, in the order of the tar. */
  readonly xattrs: readonly Xattr[];
}
