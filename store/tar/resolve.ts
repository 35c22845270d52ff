import type { ByteText, EntryType, TarEntry, Time, Xattr } from './entry.js';
import type { Header } from './header.js';
import type { TarLimits } from './limits.js';
import { decimal, numeric, paxTime, time } from './numbers.js';
import type { PaxRecords } from './pax.js';
import { invalid, quoted, tooLarge, type Place } from './refuse.js';
import { EmbeddedMap, OldGnuMap, paxMap, type SparseMap } from './sparse.js';

/** What extended headers say about the entry that follows them. */
export interface Extended {
  /** Of the last x header: a second one replaces the first, as in Go's archive/tar. */
  pax?: PaxRecords;
  /** Of the last L header. */
  longName?: ByteText;
  /** Of the last K header. */
  longLink?: ByteText;
}

/** An entry, and what must be known to frame it. */
export interface Resolved {
  /** Its `stored` counts a map that stands in the data; `sparse` is still to be set. */
  readonly entry: TarEntry;
  /** The size that the headers declare, whatever the type. */
  readonly declared: number;
  readonly map?: SparseMap;
}

const NO_RECORDS: PaxRecords = new Map();
const NO_XATTRS: readonly Xattr[] = [];
const XATTR = 'SCHILY.xattr.';
const MAX_ID = 0xffff_ffff;

/**
 * The entry of a header block that stands at `at` in `block`. Names come from GNU's sparse records, else L and K, else
 * pax records, else the header: the precedence of Go's archive/tar.
 *
 * @throws CasError LAYER_INVALID, LAYER_TOO_LARGE
 */
export function resolve(
  header: Header,
  extended: Extended,
  block: Buffer,
  at: number,
  limits: TarLimits,
  offset: number,
): Resolved {
  const pax = extended.pax ?? NO_RECORDS;
  const sparse = paxSparse(pax);
  const plainName = either(extended.longName, either(pax.get('path'), header.name));
  const name = sparse ? either(pax.get('GNU.sparse.name'), plainName) : plainName;
  const place = { offset, name };
  const type = typeOf(header, name, place);
  const hasData = type === 'file';
  const declared = record(pax, 'size', place) ?? header.size;
  // As Go has it: the header's own size is looked at before pax records and the name, which may make it a directory.
  if ((hasData || header.type === 0) && header.size < 0) {
    throw invalid(place, 'a size that is not negative', header.size);
  }
  if (hasData) checkSize(declared, Number.MAX_SAFE_INTEGER, place);

  let map: SparseMap | undefined;
  let size = hasData ? declared : 0;
  if (header.type === 0x53) {
    map = new OldGnuMap(block, at, limits, place);
    size = realSize(block, at);
  } else if (sparse) {
    if (!hasData) throw invalid(place, 'a sparse file', type);
    map = sparse === 'embedded' ? new EmbeddedMap(limits, place) : paxMap(pax, limits, place);
    size = record(pax, 'GNU.sparse.size', place) ?? record(pax, 'GNU.sparse.realsize', place) ?? declared;
  }
  checkSize(size, limits.fileSize, place);

  const isLink = type === 'link' || type === 'symlink';
  const isDevice = type === 'character' || type === 'block';
  const entry: TarEntry = {
    type,
    name,
    linkName: isLink ? either(extended.longLink, either(pax.get('linkpath'), header.linkName)) : '',
    mode: header.mode & 0o7777,
    uid: id(pax, 'uid', header.uid, place),
    gid: id(pax, 'gid', header.gid, place),
    mtime: mtimeOf(pax, header, place),
    size,
    stored: hasData ? declared : 0,
    major: isDevice ? id(pax, 'SCHILY.devmajor', header.major, place) : 0,
    minor: isDevice ? id(pax, 'SCHILY.devminor', header.minor, place) : 0,
    xattrs: pax.size === 0 ? NO_XATTRS : xattrsOf(pax, limits, place),
  };
  return map ? { entry, declared, map } : { entry, declared };
}

/** The first, or the second where that is missing or empty. */
function either(first: ByteText | undefined, second: ByteText): ByteText {
  return first === undefined || first === '' ? second : first;
}

/** Where pax records say that this is a sparse file: whether its map stands in them or in the data. */
function paxSparse(pax: PaxRecords): 'records' | 'embedded' | undefined {
  if (pax.size === 0) return undefined;
  const major = pax.get('GNU.sparse.major') ?? '';
  const minor = pax.get('GNU.sparse.minor') ?? '';
  if (major === '0' && (minor === '0' || minor === '1')) return 'records';
  if (major === '1' && minor === '0') return 'embedded';
  // The first formats did not name their version; of later ones nothing is known, and Go's reader ignores them.
  if (major !== '' || minor !== '') return undefined;
  return pax.get('GNU.sparse.map') ? 'records' : undefined;
}

function typeOf(header: Header, name: ByteText, place: Place): EntryType {
  switch (header.type) {
    case 0: // v7; directories were files whose name ended in a slash
      return name.endsWith('/') ? 'directory' : 'file';
    case 0x30: // 0
    case 0x37: // 7, a contiguous file: POSIX lets a reader take it as type 0
      return 'file';
    case 0x31: // 1
      return 'link';
    case 0x32: // 2
      return 'symlink';
    case 0x33: // 3
      return 'character';
    case 0x34: // 4
      return 'block';
    case 0x35: // 5
      return 'directory';
    case 0x36: // 6
      return 'fifo';
    case 0x53: // S; star has one as well, with another layout
      if (!header.gnu) throw invalid(place, 'a GNU header', 'a sparse file of another format');
      return 'file';
    default:
      throw invalid(place, 'a type of entry that a layer can have', quoted(String.fromCharCode(header.type)));
  }
}

/** A numeric record; undefined where there is none or, as Go's archive/tar has it, an empty one. */
function record(pax: PaxRecords, key: string, place: Place): number | undefined {
  if (pax.size === 0) return undefined;
  const value = pax.get(key);
  if (!value) return undefined;
  const number = decimal(value);
  if (Number.isNaN(number)) throw invalid(place, `a number in ${key}`, quoted(value));
  return number;
}

function id(pax: PaxRecords, key: string, own: number, place: Place): number {
  const value = record(pax, key, place) ?? own;
  if (value < 0 || value > MAX_ID) {
    throw invalid(place, `${key.replace('SCHILY.dev', '')} between 0 and ${MAX_ID}`, value);
  }
  return value;
}

function checkSize(size: number, limit: number, place: Place): void {
  if (!(size >= 0)) throw invalid(place, 'a size that is not negative', size);
  if (size > limit) throw tooLarge(place, limit, 'bytes in a file', size);
}

function realSize(block: Buffer, at: number): number {
  return numeric(block, at + 483, 12);
}

function mtimeOf(pax: PaxRecords, header: Header, place: Place): Time {
  if (pax.size === 0) return time(header.seconds, 0);
  // All times are checked, as in Go's archive/tar, and one is used.
  for (const key of ['atime', 'ctime']) timeRecord(pax, key, place);
  return timeRecord(pax, 'mtime', place) ?? time(header.seconds, 0);
}

function timeRecord(pax: PaxRecords, key: string, place: Place): Time | undefined {
  const value = pax.get(key);
  if (!value) return undefined;
  const parsed = paxTime(value);
  if (!parsed) throw invalid(place, `a time in ${key}`, quoted(value));
  return time(parsed.seconds, parsed.nanoseconds);
}

function xattrsOf(pax: PaxRecords, limits: TarLimits, place: Place): readonly Xattr[] {
  const xattrs: Xattr[] = [];
  for (const [key, value] of pax) {
    if (!key.startsWith(XATTR)) continue;
    if (value.length > limits.xattr) {
      throw tooLarge(place, limits.xattr, `bytes in the extended attribute ${key}`, value.length);
    }
    xattrs.push([key.slice(XATTR.length), Buffer.from(value, 'latin1')]);
  }
  return xattrs;
}
