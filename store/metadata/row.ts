import { crc32 } from 'node:zlib';
import { CasError } from '../errors.js';

/*
 * A stored value is one byte of version, the CRC-32 of key and value (big endian), and the value. LevelDB's own
 * checksums are of no help: it does not verify those of its tables when it reads them, and cannot be asked to.
 */
const VERSION = 1;
const HEADER = 5;

/** The CRC-32 of a row. */
export function checksum(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key));
}

/** A value as it is stored under `key`. */
export function seal(key: Uint8Array, value: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(HEADER + value.length);
  stored[0] = VERSION;
  stored.writeUInt32BE(checksum(key, value), 1);
  stored.set(value, HEADER);
  return stored;
}

/**
 * The value of what was stored under `key`.
 * @throws CasError METADATA_DAMAGED
 */
export function unseal(key: Buffer, stored: Buffer): Buffer {
  const value = stored.subarray(HEADER);
  if (stored[0] === VERSION && stored.length >= HEADER && checksumIn(stored) === checksum(key, value))
    return value;
  throw new CasError('METADATA_DAMAGED', { found: `a row with a wrong checksum, ${key.toString('hex')}` });
}

/** The checksum that a stored value carries. */
export function checksumIn(stored: Buffer): number {
  return stored.readUInt32BE(1);
}
