import { arch } from 'node:os';
import koffi from 'koffi';
import { FsError } from '../../errors.js';
import type { Entry, StatFs } from '../../answers.js';
import type { HandleId } from '../../handles.js';
import type { Attr, Nanoseconds, OpenMode, Validity } from '../../node.js';

/** An address. */
export type Pointer = bigint;

/** An integer of C as koffi gives it: a bigint where a number is not exact. */
export type Integer = number | bigint;

const SECOND = 1_000_000_000n;
const NAME_MAX = 255;

const owner = { st_uid: 'uint32_t', st_gid: 'uint32_t' };
const timespec = koffi.struct({ tv_sec: 'int64_t', tv_nsec: 'int64_t' });
const times = { st_atim: timespec, st_mtim: timespec, st_ctim: timespec };

const x64 = {
  st_dev: 'uint64_t',
  st_ino: 'uint64_t',
  st_nlink: 'uint64_t',
  st_mode: 'uint32_t',
  ...owner,
  padding: 'uint32_t',
  st_rdev: 'uint64_t',
  st_size: 'int64_t',
  st_blksize: 'int64_t',
  st_blocks: 'int64_t',
  ...times,
  reserved: koffi.array('int64_t', 3),
};

const arm64 = {
  st_dev: 'uint64_t',
  st_ino: 'uint64_t',
  st_mode: 'uint32_t',
  st_nlink: 'uint32_t',
  ...owner,
  st_rdev: 'uint64_t',
  padding: 'uint64_t',
  st_size: 'int64_t',
  st_blksize: 'int32_t',
  padding2: 'int32_t',
  st_blocks: 'int64_t',
  ...times,
  reserved: koffi.array('int32_t', 2),
};

/** Whether the layout of this processor's structures is known. */
export const LAYOUT_KNOWN = ['x64', 'arm64'].includes(arch());

/*
 * Structures are filled field by field into buffers: koffi, given an object with a member of the wrong type, ends
 * the process where a buffer throws.
 */
const stat = koffi.struct(arch() === 'arm64' ? arm64 : x64);
const entryParam = koffi.struct({
  ino: 'unsigned long',
  generation: 'unsigned long',
  attr: stat,
  attr_timeout: 'double',
  entry_timeout: 'double',
});
const fileInfo = koffi.struct({
  flags: 'int',
  fh_old: 'unsigned long',
  writepage: 'int',
  bits: 'unsigned int',
  fh: 'uint64_t',
  lock_owner: 'uint64_t',
});
const DIRECT_IO = 1;
const KEEP_CACHE = 2;

const STAT = koffi.sizeof(stat);
const [ino, nlink, mode, uid, gid] = offsets(stat, ['st_ino', 'st_nlink', 'st_mode', 'st_uid', 'st_gid']);
const [rdev, size, blksize, blocks] = offsets(stat, ['st_rdev', 'st_size', 'st_blksize', 'st_blocks']);
const [atime, mtime, ctime] = offsets(stat, ['st_atim', 'st_mtim', 'st_ctim']);
const [attrAt, attrTimeout, entryTimeout] = offsets(entryParam, ['attr', 'attr_timeout', 'entry_timeout']);
const [bits, fh] = offsets(fileInfo, ['bits', 'fh']);

/** struct stat. */
export function statOf(attr: Attr): Buffer {
  const bytes = Buffer.alloc(STAT);
  putStat(bytes, attr);
  return bytes;
}

/** struct fuse_entry_param. Node numbers are never reused, so the generation stays 0. */
export function entryOf({ id, attr, validity }: Entry): Buffer {
  const bytes = entry(id, validity);
  putStat(bytes.subarray(attrAt), attr);
  return bytes;
}

/** struct fuse_entry_param for a name that is not there, to be remembered as absent for `seconds`. */
export function absenceOf(seconds: number): Buffer {
  return entry(0, { entry: seconds, attr: 0 });
}

/** struct fuse_file_info of a reply. */
export function openedFile(handle: HandleId, { direct, keepCache }: OpenMode = {}): Buffer {
  const bytes = Buffer.alloc(koffi.sizeof(fileInfo));
  bytes.writeUInt32LE((direct ? DIRECT_IO : 0) | (keepCache ? KEEP_CACHE : 0), bits);
  bytes.writeBigUInt64LE(BigInt(handle), fh);
  return bytes;
}

/** struct statvfs: words, of which f_fsid and f_flag are the kernel's, and six spare integers. */
export function statvfsOf(disk: StatFs): Buffer {
  const { bsize, ffree } = disk;
  const words = [
    bsize,
    bsize,
    disk.blocks,
    disk.bfree,
    disk.bavail,
    disk.files,
    ffree,
    ffree,
    0,
    0,
    NAME_MAX,
  ];
  const bytes = Buffer.alloc(8 * words.length + 24);
  words.forEach((word, index) => bytes.writeBigUInt64LE(BigInt(word), 8 * index));
  return bytes;
}

/** The flags of open(2) in a struct fuse_file_info. */
export function flagsOf(file: Pointer): number {
  return koffi.decode.int(file);
}

/** The handle in a struct fuse_file_info. */
export function handleOf(file: Pointer): HandleId {
  return Number(koffi.decode.uint64(file + BigInt(fh)));
}

/** What a setattr request carries in its struct stat. */
export function changedStat(at: Pointer): Pick<Attr, 'mode' | 'uid' | 'gid' | 'size' | 'atime' | 'mtime'> {
  const found = koffi.decode(at, stat) as Record<'st_mode' | 'st_uid' | 'st_gid', number> &
    Record<'st_atim' | 'st_mtim', { tv_sec: Integer; tv_nsec: Integer }> & { st_size: Integer };
  return {
    mode: found.st_mode,
    uid: found.st_uid,
    gid: found.st_gid,
    size: offsetOf(found.st_size),
    atime: nanosecondsOf(found.st_atim),
    mtime: nanosecondsOf(found.st_mtim),
  };
}

/**
 * An offset or length in a file.
 * @throws FsError EFBIG above 2^53
 */
export function offsetOf(value: Integer): number {
  if (value > Number.MAX_SAFE_INTEGER) throw new FsError('EFBIG');
  return Number(value);
}

/** The high halves of what is 64 bits wide on some processors stay zero. */
function putStat(to: Buffer, attr: Attr): void {
  to.writeBigUInt64LE(BigInt(attr.ino), ino);
  to.writeUInt32LE(attr.nlink, nlink);
  to.writeUInt32LE(attr.mode, mode);
  to.writeUInt32LE(attr.uid, uid);
  to.writeUInt32LE(attr.gid, gid);
  to.writeBigUInt64LE(BigInt(attr.rdev), rdev);
  to.writeBigInt64LE(BigInt(attr.size), size);
  to.writeUInt32LE(attr.blksize, blksize);
  to.writeBigInt64LE(BigInt(attr.blocks), blocks);
  putTime(to, atime, attr.atime);
  putTime(to, mtime, attr.mtime);
  putTime(to, ctime, attr.ctime);
}

/** Rounds down, so that times before 1970 keep nanoseconds in 0…999999999. */
function putTime(to: Buffer, at: number, time: Nanoseconds): void {
  const nanoseconds = ((time % SECOND) + SECOND) % SECOND;
  to.writeBigInt64LE((time - nanoseconds) / SECOND, at);
  to.writeBigInt64LE(nanoseconds, at + 8);
}

function nanosecondsOf({ tv_sec, tv_nsec }: { tv_sec: Integer; tv_nsec: Integer }): Nanoseconds {
  return BigInt(tv_sec) * SECOND + BigInt(tv_nsec);
}

function entry(id: number, validity: Validity): Buffer {
  const bytes = Buffer.alloc(koffi.sizeof(entryParam));
  bytes.writeBigUInt64LE(BigInt(id), 0);
  bytes.writeDoubleLE(validity.attr, attrTimeout);
  bytes.writeDoubleLE(validity.entry, entryTimeout);
  return bytes;
}

function offsets<const M extends readonly string[]>(
  type: ReturnType<typeof koffi.struct>,
  members: M,
): { [K in keyof M]: number } {
  return members.map((member) => koffi.offsetof(type, member)) as { [K in keyof M]: number };
}
