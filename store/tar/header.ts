import type { ByteText } from './entry.js';
import { numeric, octal } from './numbers.js';
import { invalid, type Place } from './refuse.js';

/** Everything in a tar is a multiple of this. */
export const BLOCK = 512;

/**
 * A header block as it stands in the tar, before extended headers are applied. Numbers may be negative, and beyond
 * 2^53 they are rounded.
 */
export interface Header {
  /** The type flag, a byte. */
  readonly type: number;
  /** With the prefix, where the format has one. */
  readonly name: ByteText;
  readonly linkName: ByteText;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  readonly major: number;
  readonly minor: number;
  /** Whether the magic is that of GNU tar: only then is type S its sparse file. */
  readonly gnu: boolean;
}

const CHECKSUM = 148;
const MAGIC = 257;

/**
 * The header in the 512 bytes at `at`: v7, ustar, GNU or star. Undefined where they are all zero.
 *
 * @throws CasError LAYER_INVALID where the checksum is wrong or a field is no number
 */
export function readHeader(block: Buffer, at: number, place: Place): Header | undefined {
  const sum = checksum(block, at);
  const stated = octal(block, at + CHECKSUM, 8);
  if (stated !== sum) {
    // The field counts as eight spaces, so this is the sum of nothing.
    if (sum === 256 && isZero(block, at)) return undefined;
    // Old Sun tars added up signed bytes.
    if (stated !== signedChecksum(block, at)) {
      throw invalid(place, `a header with checksum ${sum}`, Number.isNaN(stated) ? 'none' : stated);
    }
  }

  const ustar = isText(block, at + MAGIC, 'ustar\0');
  const gnu = !ustar && isText(block, at + MAGIC, 'ustar  \0');
  const star = ustar && isText(block, at + 508, 'tar\0');
  const v7 = !ustar && !gnu;
  const name = text(block, at, 100);
  const prefix = ustar ? text(block, at + 345, star ? 131 : 155) : gnu ? oldGoPrefix(block, at) : '';
  const header: Header = {
    type: block[at + 156] ?? 0,
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: text(block, at + 157, 100),
    mode: numeric(block, at + 100, 8),
    uid: numeric(block, at + 108, 8),
    gid: numeric(block, at + 116, 8),
    size: numeric(block, at + 124, 12),
    seconds: numeric(block, at + 136, 12),
    major: v7 ? 0 : numeric(block, at + 329, 8),
    minor: v7 ? 0 : numeric(block, at + 337, 8),
    gnu,
  };
  const times = star ? numeric(block, at + 476, 12) + numeric(block, at + 488, 12) : 0;
  const { mode, uid, gid, size, seconds, major, minor } = header;
  if (Number.isNaN(mode + uid + gid + size + seconds + major + minor + times)) {
    throw invalid({ ...place, name: header.name }, 'numbers in the header');
  }
  return header;
}

/** The bytes from `from` to the first NUL, at most `length`. */
export function text(bytes: Buffer, from: number, length: number): ByteText {
  const end = from + length;
  let to = from;
  while (to < end && bytes[to] !== 0) to++;
  return to === from ? '' : bytes.toString('latin1', from, to);
}

/**
 * GNU headers have times where ustar has its prefix. Writers of Go before 1.8 put a prefix there all the same, so what
 * is no number but ASCII is one, as in Go's reader.
 */
function oldGoPrefix(block: Buffer, at: number): ByteText {
  const atime = at + 345;
  const ctime = at + 357;
  const bad =
    (block[atime] !== 0 && Number.isNaN(numeric(block, atime, 12))) ||
    (block[ctime] !== 0 && Number.isNaN(numeric(block, ctime, 12)));
  if (!bad) return '';
  const prefix = text(block, atime, 155);
  return /^[\x01-\x7f]*$/.test(prefix) ? prefix : '';
}

/** The sum of all bytes, those of the checksum itself taken as spaces. */
function checksum(block: Buffer, at: number): number {
  let sum = 8 * 0x20;
  const field = at + CHECKSUM;
  const end = at + BLOCK;
  for (let i = at; i < field; i++) sum += block[i] ?? 0;
  for (let i = field + 8; i < end; i++) sum += block[i] ?? 0;
  return sum;
}

function signedChecksum(block: Buffer, at: number): number {
  let sum = checksum(block, at);
  for (let i = 0; i < BLOCK; i++) {
    if ((block[at + i] ?? 0) > 0x7f && (i < CHECKSUM || i >= CHECKSUM + 8)) sum -= 0x100;
  }
  return sum;
}

function isZero(block: Buffer, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

function isText(block: Buffer, at: number, expected: string): boolean {
  for (let i = 0; i < expected.length; i++) if (block[at + i] !== expected.charCodeAt(i)) return false;
  return true;
}
