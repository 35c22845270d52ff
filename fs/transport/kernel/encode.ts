import type { Entry } from '../../answers.js';
import type { HandleId } from '../../handles.js';
import type { Attr, DirEntry, Nanoseconds } from '../../node.js';
import { SIZE } from './protocol.js';
import type { Writer } from './wire.js';

const SECOND = 1_000_000_000n;
/** The kernel counts in jiffies and caps them; anything above is for ever. */
const FOREVER = 2 ** 31;

/** struct fuse_attr. */
export function putAttr(to: Writer, attr: Attr): void {
  const [atime, mtime, ctime] = [split(attr.atime), split(attr.mtime), split(attr.ctime)];
  to.u64(attr.ino);
  to.u64(attr.size);
  to.u64(attr.blocks);
  to.i64(atime.seconds);
  to.i64(mtime.seconds);
  to.i64(ctime.seconds);
  to.u32(atime.nanoseconds);
  to.u32(mtime.nanoseconds);
  to.u32(ctime.nanoseconds);
  to.u32(attr.mode);
  to.u32(attr.nlink);
  to.u32(attr.uid);
  to.u32(attr.gid);
  to.u32(attr.rdev);
  to.u32(attr.blksize);
  to.u32(0);
}

/** struct fuse_attr_out. */
export function putAttrOut(to: Writer, attr: Attr, seconds: number): void {
  const valid = validity(seconds);
  to.u64(valid.seconds);
  to.u32(valid.nanoseconds);
  to.u32(0);
  putAttr(to, attr);
}

/** struct fuse_entry_out. Node numbers are never reused, so the generation stays 0. */
export function putEntry(to: Writer, entry: Entry): void {
  const name = validity(entry.validity.entry);
  const attr = validity(entry.validity.attr);
  to.u64(entry.id);
  to.u64(0);
  to.u64(name.seconds);
  to.u64(attr.seconds);
  to.u32(name.nanoseconds);
  to.u32(attr.nanoseconds);
  putAttr(to, entry.attr);
}

/** struct fuse_entry_out for a name that is not there, to be remembered as absent for `seconds`. */
export function putAbsence(to: Writer, seconds: number): void {
  const name = validity(seconds);
  to.zeros(16);
  to.u64(name.seconds);
  to.u64(0);
  to.u32(name.nanoseconds);
  to.zeros(4 + SIZE.ATTR);
}

/** struct fuse_open_out. */
export function putOpen(to: Writer, handle: HandleId, flags: number, backing: number): void {
  to.u64(handle);
  to.u32(flags);
  to.u32(backing);
}

/** The bytes that a struct fuse_dirent with this name takes. */
export function direntSize(entry: DirEntry): number {
  return (SIZE.DIRENT + entry.name.length + 7) & ~7;
}

/** struct fuse_dirent. `next` is the offset to read on from. */
export function putDirent(to: Writer, entry: DirEntry, next: number): void {
  to.u64(entry.ino);
  to.u64(next);
  to.u32(entry.name.length);
  to.u32(entry.type >>> 12);
  to.name(entry.name);
  to.zeros(direntSize(entry) - SIZE.DIRENT - entry.name.length);
}

/** Rounds down, so that times before 1970 keep nanoseconds in 0…999999999. */
function split(time: Nanoseconds): { seconds: bigint; nanoseconds: number } {
  const nanoseconds = ((time % SECOND) + SECOND) % SECOND;
  return { seconds: (time - nanoseconds) / SECOND, nanoseconds: Number(nanoseconds) };
}

function validity(seconds: number): { seconds: number; nanoseconds: number } {
  if (seconds >= FOREVER) return { seconds: FOREVER, nanoseconds: 0 };
  const whole = Math.floor(seconds);
  return { seconds: whole, nanoseconds: Math.floor((seconds - whole) * 1e9) };
}
