import { CasError } from '../errors.js';
import type { ByteText, TarEntry, Xattr } from '../tar/entry.js';
import type { Attributes, FileContent, Inode } from './inode.js';
import type { LayerLimits } from './layer-limits.js';

/** A symlink as Linux has it has at most PATH_MAX - 1 bytes. */
const TARGET_LIMIT = 4095;
const XATTR_NAME_LIMIT = 255;
const NUMBER_LIMIT = 0xffff_ffff;

/** What overlayfs and fuse-overlayfs read as their own marks of whiteouts, opaque directories and redirections. */
const OVERLAY = ['trusted.overlay.', 'user.overlay.', 'user.fuseoverlayfs.'];

const NONE: readonly Xattr[] = [];

/**
 * The inode that an entry makes, which is no directory and no link.
 * @param content of a file; undefined where it has no data
 * @throws CasError LAYER_INVALID, LAYER_TOO_LARGE
 */
export function tarInode(entry: TarEntry, content: FileContent | undefined, limits: LayerLimits): Inode {
  const attributes = tarAttributes(entry, limits);
  if (entry.stored > 0 && !content?.payload) throw new TypeError('a file has bytes, but no place for them');
  switch (entry.type) {
    case 'file':
      return { type: 'file', ...attributes, ...(content ?? { size: entry.size }) };
    case 'symlink':
      return { type: 'symlink', ...attributes, target: checkedTarget(entry) };
    case 'character':
    case 'block':
      checkNumbers(entry, [entry.major, entry.minor]);
      return { type: entry.type, ...attributes, major: entry.major, minor: entry.minor };
    case 'fifo':
      return { type: 'fifo', ...attributes };
    case 'directory':
    case 'link':
      throw new TypeError(`${entry.type} is no inode of its own`);
  }
}

/** @throws CasError LAYER_INVALID, LAYER_TOO_LARGE */
export function tarAttributes(entry: TarEntry, limits: LayerLimits): Attributes {
  const { mode, uid, gid, mtime, xattrs } = entry;
  checkNumbers(entry, [uid, gid]);
  if (!Number.isSafeInteger(mtime.seconds)) throw invalid(entry, 'a time of whole seconds', mtime.seconds);
  return {
    mode: mode & 0o7777,
    uid,
    gid,
    mtime,
    xattrs: xattrs.length === 0 ? NONE : kept(entry, limits),
  };
}

/** Owners and device numbers have 32 bits. */
function checkNumbers(entry: TarEntry, numbers: readonly number[]): void {
  for (const number of numbers) {
    if (Number.isInteger(number) && number >= 0 && number <= NUMBER_LIMIT) continue;
    throw invalid(entry, `a number of at most ${NUMBER_LIMIT}`, number);
  }
}

function checkedTarget(entry: TarEntry): ByteText {
  const target = entry.linkName;
  if (target === '' || target.includes('\0')) throw invalid(entry, 'the target of a symlink', 'none');
  if (target.length > TARGET_LIMIT) throw tooLarge(entry, TARGET_LIMIT, target.length);
  return target;
}

/** In the order of their names; of two with one name the last. */
function kept(entry: TarEntry, limits: LayerLimits): readonly Xattr[] {
  const byName = new Map<ByteText, Xattr>();
  let size = 0;
  for (const xattr of entry.xattrs) {
    const [name, value] = xattr;
    size += name.length + value.length;
    if (name === '' || name.length > XATTR_NAME_LIMIT || name.includes('\0')) {
      throw invalid(
        entry,
        'the name of an extended attribute',
        JSON.stringify(name.slice(0, XATTR_NAME_LIMIT)),
      );
    }
    if (value.length > limits.xattrSize) throw tooLarge(entry, limits.xattrSize, value.length);
    if (!OVERLAY.some((prefix) => name.startsWith(prefix))) byName.set(name, xattr);
  }
  if (size > limits.xattrs) throw tooLarge(entry, limits.xattrs, size);
  return [...byName.values()].sort(([a], [b]) => (a < b ? -1 : 1));
}

function invalid(entry: TarEntry, expected: string, found: string | number): CasError {
  return new CasError('LAYER_INVALID', { subject: JSON.stringify(entry.name), expected, found });
}

function tooLarge(entry: TarEntry, expected: number, found: number): CasError {
  return new CasError('LAYER_TOO_LARGE', { subject: JSON.stringify(entry.name), expected, found });
}
