import { isCode } from './files.js';
import { bind } from './libc.js';

const lgetxattr = bind('long lgetxattr(const char*, const char*, void*, size_t)');
const lsetxattr = bind('int lsetxattr(const char*, const char*, const void*, size_t, int)');
const lremovexattr = bind('int lremovexattr(const char*, const char*)');
const llistxattr = bind('long llistxattr(const char*, void*, size_t)');

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h. */
const MAX = 65536;

/** The value of an extended attribute; undefined where the file has none of that name. */
export function getXattr(path: string, name: string): Buffer | undefined {
  const value = Buffer.allocUnsafe(MAX);
  try {
    return value.subarray(0, lgetxattr(path, name, value, MAX));
  } catch (error) {
    if (isCode(error, 'ENODATA') || isCode(error, 'EOPNOTSUPP')) return undefined;
    throw error;
  }
}

/** Sets an extended attribute. `flags` are XATTR_CREATE and XATTR_REPLACE of setxattr(2). */
export async function setXattr(path: string, name: string, value: Uint8Array, flags: number): Promise<void> {
  await lsetxattr.later(path, name, value, value.length, flags);
}

/** Removes an extended attribute; ENODATA where there is none. */
export async function removeXattr(path: string, name: string): Promise<void> {
  await lremovexattr.later(path, name);
}

/** The names of all extended attributes of a file. */
export function listXattrs(path: string): string[] {
  try {
    if (llistxattr(path, null, 0) === 0) return [];
    const names = Buffer.allocUnsafe(MAX);
    return names
      .toString('utf8', 0, llistxattr(path, names, MAX))
      .split('\0')
      .slice(0, -1);
  } catch (error) {
    if (isCode(error, 'EOPNOTSUPP')) return [];
    throw error;
  }
}

/** Whether a file has any extended attributes. Asked on the thread pool: it may have to wait for the disk. */
export async function hasXattrs(path: string): Promise<boolean> {
  try {
    return (await llistxattr.later(path, null, 0)) > 0;
  } catch (error) {
    if (isCode(error, 'EOPNOTSUPP')) return false;
    throw error;
  }
}
