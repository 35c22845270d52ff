import { isUtf8 } from 'node:buffer';
import { CasError } from '../errors.js';
import { safeJson } from '../json.js';
import type { ByteText } from '../tar/entry.js';

/**
 * What a line of Docker's tar-split.json holds: bytes of the tar, or a file whose bytes follow, of which it has the
 * CRC-64/GO-ISO; that is there where `size` is more than 0. Directories and links are files as well, with the size
 * that their headers declare.
 */
export type TarSplitItem =
  | { readonly type: 'segment'; readonly bytes: Buffer }
  | {
      readonly type: 'file';
      readonly name: ByteText;
      readonly size: number;
      readonly crc: Buffer | undefined;
    };

/** The line for an item, with its line break, byte for byte as vbatts/tar-split writes it with Go up to 1.21. */
export function formatTarSplit(item: TarSplitItem, position: number): string {
  if (item.type === 'segment') {
    return `{"type":2,"payload":"${item.bytes.toString('base64')}","position":${position}}\n`;
  }
  const crc = item.crc ? `"${item.crc.toString('base64')}"` : 'null';
  const size = item.size === 0 ? '' : `"size":${item.size},`;
  return `{"type":1,${nameField(item.name)}${size}"payload":${crc},"position":${position}}\n`;
}

function nameField(name: ByteText): string {
  const bytes = Buffer.from(name, 'latin1');
  if (bytes.length === 0) return '';
  return isUtf8(bytes)
    ? `"name":${goString(bytes.toString())},`
    : `"name_raw":"${bytes.toString('base64')}",`;
}

/** Go's JSON escapes what could end a script in HTML, and writes backspace and form feed as numbers. */
const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
  '\\b': '\\u0008',
  '\\f': '\\u000c',
};

function goString(text: string): string {
  return JSON.stringify(text).replace(/\\.|[<>&\u2028\u2029]/g, (found) => ESCAPES[found] ?? found);
}

/**
 * The item that a line holds.
 *
 * @param position how many lines there were before
 * @throws CasError LAYER_INVALID where it is not exactly such a line
 */
export function parseTarSplit(line: string, position: number): TarSplitItem {
  const refuse = (expected: string, found?: unknown): CasError =>
    new CasError('LAYER_INVALID', {
      subject: `tar-split entry ${position}`,
      expected,
      ...(found === undefined ? {} : { found: safeJson(found).slice(0, 200) }),
    });

  const entry = object(line);
  if (!entry) throw refuse('a JSON object', line.slice(0, 200));
  const { type, name, name_raw, size = 0, payload, position: stated, ...rest } = entry;
  if (Object.keys(rest).length > 0) throw refuse('no other fields', Object.keys(rest)[0]);
  if (stated !== position) throw refuse(`position ${position}`, stated);

  if (type === 2) {
    const bytes = base64(payload);
    if (!bytes) throw refuse('a payload in base64', payload);
    if (name !== undefined || name_raw !== undefined || size !== 0)
      throw refuse('a segment without name and size');
    return { type: 'segment', bytes };
  }
  if (type !== 1) throw refuse('type 1 or 2', type);
  if (!Number.isSafeInteger(size)) throw refuse('a size', size);
  const fileName = nameOf(name, name_raw);
  if (fileName === undefined) throw refuse('name or name_raw', name ?? name_raw);
  const hasCrc = Number(size) > 0;
  const crc = payload === null ? undefined : base64(payload);
  if (hasCrc ? crc?.length !== 8 : payload !== null) {
    throw refuse(hasCrc ? 'a checksum of 8 bytes in base64' : 'no checksum', payload);
  }
  return { type: 'file', name: fileName, size: Number(size), crc };
}

function object(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Padded base64 without anything else. */
function base64(text: unknown): Buffer | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function nameOf(name: unknown, raw: unknown): ByteText | undefined {
  if (raw !== undefined) return name === undefined ? base64(raw)?.toString('latin1') : undefined;
  if (name === undefined) return '';
  return typeof name === 'string' ? Buffer.from(name).toString('latin1') : undefined;
}
