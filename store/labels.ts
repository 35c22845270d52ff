import { isCode } from './files.js';
import { bind } from './libc.js';

/*
 * Labels are extended attributes of the blob's own file, so they share its fate: no database to lose, nothing to
 * rebuild. ext4, xfs, btrfs, tmpfs (Linux 6.6) have them; elsewhere setting one fails with EOPNOTSUPP.
 */

const lgetxattr = bind('long lgetxattr(const char*, const char*, void*, size_t)');
const lsetxattr = bind('int lsetxattr(const char*, const char*, const void*, size_t, int)');
const lremovexattr = bind('int lremovexattr(const char*, const char*)');
const llistxattr = bind('long llistxattr(const char*, void*, size_t)');

/** The extended attribute of a label is this and the label's key. */
export const LABEL_PREFIX = 'user.cas.label.';

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h. */
const MAX = 65536;

/** The value of a label of the file at `path`; undefined where it has none. */
export function getLabel(path: string, key: string): Uint8Array | undefined {
  const value = Buffer.allocUnsafe(MAX);
  try {
    return value.subarray(0, lgetxattr(path, LABEL_PREFIX + key, value, MAX));
  } catch (error) {
    if (isCode(error, 'ENODATA') || isCode(error, 'EOPNOTSUPP')) return undefined;
    throw error;
  }
}

/** Sets a label. `flags` are XATTR_CREATE and XATTR_REPLACE of setxattr(2). */
export async function setLabel(path: string, key: string, value: Uint8Array, flags: number): Promise<void> {
  await lsetxattr.later(path, LABEL_PREFIX + key, value, value.length, flags);
}

/** Removes a label; ENODATA where there is none. */
export async function removeLabel(path: string, key: string): Promise<void> {
  await lremovexattr.later(path, LABEL_PREFIX + key);
}

/** The keys of all labels of the file at `path`. */
export function listLabels(path: string): string[] {
  const names = Buffer.allocUnsafe(MAX);
  let size: number;
  try {
    size = llistxattr(path, names, MAX);
  } catch (error) {
    if (isCode(error, 'EOPNOTSUPP')) return [];
    throw error;
  }
  return names
    .toString('utf8', 0, size)
    .split('\0')
    .filter((name) => name.startsWith(LABEL_PREFIX))
    .map((name) => name.slice(LABEL_PREFIX.length));
}
