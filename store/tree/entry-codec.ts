import type { Payload } from '../payloads/location.js';
import type { Extent, Time, Xattr } from '../tar/entry.js';
import { type ByteReader, type ByteWriter, damaged } from './bytes.js';
import type { Attributes, DirectoryContent, Entry, FileContent, Inode } from './inode.js';

/** The first byte of an encoded entry; LINK marks an entry of the table of shared inodes. */
export const TAG = {
  shared: 0,
  file: 1,
  symlink: 2,
  character: 3,
  block: 4,
  fifo: 5,
  directory: 6,
  link: 7,
} as const;

export const DIGEST_SIZE = 32;
const SET_SIZE = 6;

/** Bits of the byte that says what a file's content has. */
const PAYLOAD = 1;
const PACKED = 2;
const SPARSE = 4;

export function writeEntry(into: ByteWriter, entry: Entry): void {
  into.byte(TAG[entry.type]);
  if (entry.type === 'shared') {
    into.uint(entry.link);
    return;
  }
  // The attributes of a directory come last, so that its content can be changed without decoding them.
  if (entry.type === 'directory') writeDirectoryContent(into, entry);
  writeAttributes(into, entry);
  if (entry.type === 'file') writeContent(into, entry);
  if (entry.type === 'symlink') into.text(entry.target);
  if (entry.type === 'character' || entry.type === 'block') {
    into.uint(entry.major);
    into.uint(entry.minor);
  }
}

/** @throws CasError LAYER_DAMAGED */
export function readEntry(from: ByteReader): Entry {
  const tag = from.byte();
  const entry = tag === TAG.shared ? ({ type: 'shared', link: from.uint() } as const) : readRest(from, tag);
  from.finish();
  return entry;
}

/** @throws CasError LAYER_DAMAGED */
export function readInode(from: ByteReader): Inode {
  const inode = readRest(from, from.byte());
  from.finish();
  return inode;
}

function readRest(from: ByteReader, tag: number): Inode {
  const content = tag === TAG.directory ? readDirectoryContent(from) : undefined;
  const attributes = readAttributes(from);
  if (content) return { type: 'directory', ...attributes, ...content };
  switch (tag) {
    case TAG.file:
      return { type: 'file', ...attributes, ...readContent(from) };
    case TAG.symlink:
      return { type: 'symlink', ...attributes, target: from.text() };
    case TAG.character:
    case TAG.block: {
      const type = tag === TAG.block ? 'block' : 'character';
      return { type, ...attributes, major: from.uint(), minor: from.uint() };
    }
    case TAG.fifo:
      return { type: 'fifo', ...attributes };
    default:
      throw damaged('an entry is of no known type');
  }
}

export function writeDirectoryContent(into: ByteWriter, content: DirectoryContent): void {
  into.uint(content.total);
  into.uint(content.subdirectories);
  into.uint(content.shared);
  into.raw(content.node);
}

export function readDirectoryContent(from: ByteReader): DirectoryContent {
  const [total, subdirectories, shared] = [from.uint(), from.uint(), from.uint()];
  if (subdirectories + shared > total) throw damaged('a directory has more directories than names');
  return { node: from.raw(DIGEST_SIZE), total, subdirectories, shared };
}

export function writeAttributes(into: ByteWriter, { mode, uid, gid, mtime, xattrs }: Attributes): void {
  into.uint(mode);
  into.uint(uid);
  into.uint(gid);
  into.uint(Math.abs(mtime.seconds));
  into.uint(2 * mtime.nanoseconds + (mtime.seconds < 0 ? 1 : 0));
  into.uint(xattrs.length);
  for (const [name, value] of xattrs) {
    into.text(name);
    into.blob(value);
  }
}

/** @throws CasError LAYER_DAMAGED */
export function readAttributes(from: ByteReader): Attributes {
  const [mode, uid, gid] = [from.uint(), from.uint(), from.uint()];
  if (mode > 0o7777) throw damaged('a mode has unknown bits');
  const mtime = readTime(from);
  const xattrs: Xattr[] = [];
  for (let left = from.uint(); left > 0; left--) {
    const xattr = [from.text(), from.blob()] as const;
    const last = xattrs.at(-1);
    if (last && last[0] >= xattr[0]) throw damaged('extended attributes are not in order');
    xattrs.push(xattr);
  }
  return { mode, uid, gid, mtime, xattrs };
}

function readTime(from: ByteReader): Time {
  const [seconds, rest] = [from.uint(), from.uint()];
  const [nanoseconds, negative] = [Math.floor(rest / 2), rest % 2 === 1];
  if (nanoseconds > 999_999_999 || (negative && seconds === 0)) throw damaged('a time is none');
  return { seconds: negative ? -seconds : seconds, nanoseconds };
}

function writeContent(into: ByteWriter, { size, payload, extents }: FileContent): void {
  const packed = payload?.location.offset !== undefined;
  into.uint(size);
  into.byte((payload ? PAYLOAD : 0) | (packed ? PACKED : 0) | (extents ? SPARSE : 0));
  if (payload) {
    into.raw(payload.digest);
    into.uint(payload.size);
    into.raw(Buffer.from(payload.location.set, 'hex'));
    if (payload.location.offset !== undefined) into.uint(payload.location.offset);
  }
  if (extents) writeExtents(into, extents);
}

function readContent(from: ByteReader): FileContent {
  const [size, flags] = [from.uint(), from.byte()];
  const hasPayload = (flags & PAYLOAD) !== 0;
  if (flags > 7 || (!hasPayload && (flags & PACKED) !== 0)) throw damaged('the content of a file is unknown');
  return {
    size,
    ...(hasPayload && { payload: readPayload(from, (flags & PACKED) !== 0) }),
    ...((flags & SPARSE) !== 0 && { extents: readExtents(from, size) }),
  };
}

function readPayload(from: ByteReader, packed: boolean): Payload {
  const [digest, size, set] = [from.raw(DIGEST_SIZE), from.uint(), from.raw(SET_SIZE).toString('hex')];
  return { digest, size, location: packed ? { set, offset: from.uint() } : { set } };
}

/** Each extent is the hole before it and its length. */
function writeExtents(into: ByteWriter, extents: readonly Extent[]): void {
  into.uint(extents.length);
  let end = 0;
  for (const { offset, length } of extents) {
    into.uint(offset - end);
    into.uint(length);
    end = offset + length;
  }
}

function readExtents(from: ByteReader, size: number): Extent[] {
  const extents: Extent[] = [];
  let end = 0;
  for (let left = from.uint(); left > 0; left--) {
    const offset = end + from.uint();
    const length = from.uint();
    end = offset + length;
    if (end > size) throw damaged('a sparse file has data behind its end');
    extents.push({ offset, length });
  }
  return extents;
}
