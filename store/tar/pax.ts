import type { ByteText } from './entry.js';
import { invalid, quoted, type Place } from './refuse.js';

/** The records of one pax header, the last of each key. */
export type PaxRecords = ReadonlyMap<ByteText, ByteText>;

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;
const ZERO = 0x30;

/** Their values are C strings, so they may hold no NUL. For all others Go's archive/tar looks at the key. */
const STRINGS = new Set(['path', 'linkpath', 'uname', 'gname']);

/**
 * The records in the body of an extended header, `%d %s=%s\n` each, as strict as Go's archive/tar. The map of GNU's
 * sparse format 0.0, which repeats keys, becomes `GNU.sparse.map`, as format 0.1 has it.
 *
 * @throws CasError LAYER_INVALID
 */
export function readPax(body: Buffer, place: Place): PaxRecords {
  const records = new Map<ByteText, ByteText>();
  const map: ByteText[] = [];
  for (let at = 0; at < body.length;) {
    // The length, which counts itself and the newline.
    let length = 0;
    let from = at;
    for (; isDigit(body[from]) && length <= body.length; from++)
      length = length * 10 + (body[from] ?? 0) - ZERO;
    const end = at + length;
    if (body[from++] !== SPACE || end > body.length || end <= from) {
      throw invalid(place, 'the length of a pax record', quoted(body.toString('latin1', at, at + 20)));
    }
    const equals = body.indexOf(EQUALS, from);
    if (body[end - 1] !== NEWLINE || equals <= from || equals >= end) {
      throw invalid(place, 'a pax record', quoted(body.toString('latin1', at, end)));
    }
    const key = body.toString('latin1', from, equals);
    const value = body.toString('latin1', equals + 1, end - 1);
    if ((STRINGS.has(key) ? value : key).includes('\0'))
      throw invalid(place, 'pax text without NUL', quoted(key));
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      const turn = map.length % 2 === 0 ? 'GNU.sparse.offset' : 'GNU.sparse.numbytes';
      if (key !== turn || value.includes(',')) throw invalid(place, turn, quoted(`${key}=${value}`));
      map.push(value);
    } else {
      records.set(key, value);
    }
    at = end;
  }
  if (map.length > 0) records.set('GNU.sparse.map', map.join(','));
  return records;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= ZERO + 9;
}
