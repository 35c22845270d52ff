import { getXattr, listXattrs, removeXattr, setXattr } from './xattrs.js';

/*
 * Labels are extended attributes of the blob's own file, so they share its fate: no database to lose, nothing to
 * rebuild. ext4, xfs, btrfs, tmpfs (Linux 6.6) have them; elsewhere setting one fails with EOPNOTSUPP.
 */

/** The extended attribute of a label is this and the label's key. */
export const LABEL_PREFIX = 'user.cas.label.';

/** The value of a label of the file at `path`; undefined where it has none. */
export function getLabel(path: string, key: string): Uint8Array | undefined {
  return getXattr(path, LABEL_PREFIX + key);
}

/** Sets a label. `flags` are XATTR_CREATE and XATTR_REPLACE of setxattr(2). */
export function setLabel(path: string, key: string, value: Uint8Array, flags: number): Promise<void> {
  return setXattr(path, LABEL_PREFIX + key, value, flags);
}

/** Removes a label; ENODATA where there is none. */
export function removeLabel(path: string, key: string): Promise<void> {
  return removeXattr(path, LABEL_PREFIX + key);
}

/** The keys of all labels of the file at `path`. */
export function listLabels(path: string): string[] {
  return listXattrs(path)
    .filter((name) => name.startsWith(LABEL_PREFIX))
    .map((name) => name.slice(LABEL_PREFIX.length));
}
