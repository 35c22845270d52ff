import { CasError } from '../errors.js';
import type { Operation } from '../metadata/session.js';
import type { Location, Payload } from './location.js';

/*
 * The index of payloads: a row for each SHA-256, with the set (6 bytes), the size (6) and, where the payload is packed,
 * the offset in the pack (6).
 */
const PREFIX = 'P'.charCodeAt(0);
const SET = 6;
const OWN_FILE = SET + 6;
const PACKED = OWN_FILE + 6;

/** The bytes of a SHA-256. */
export const DIGEST = 32;

/** What is known of a payload by its digest. */
export type Stored = Omit<Payload, 'digest'>;

/** The key of the row of a digest. */
export function payloadKey(digest: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(1 + DIGEST);
  key[0] = PREFIX;
  key.set(digest, 1);
  return key;
}

/** The value of the row of a payload. */
export function encodeStored({ size, location }: Stored): Buffer {
  const value = Buffer.allocUnsafe(location.offset === undefined ? OWN_FILE : PACKED);
  value.write(location.set, 'hex');
  value.writeUIntBE(size, SET, 6);
  if (location.offset !== undefined) value.writeUIntBE(location.offset, OWN_FILE, 6);
  return value;
}

/** @throws CasError METADATA_DAMAGED where it has the form of none */
export function decodeStored(value: Buffer): Stored {
  if (value.length !== OWN_FILE && value.length !== PACKED)
    throw new CasError('METADATA_DAMAGED', { found: `a payload's row of ${value.length} bytes` });
  const set = value.toString('hex', 0, SET);
  const location: Location =
    value.length === OWN_FILE ? { set } : { set, offset: value.readUIntBE(OWN_FILE, 6) };
  return { size: value.readUIntBE(SET, 6), location };
}

/** The operation that makes a payload known. */
export function rowOf(payload: Payload): Operation {
  return { key: payloadKey(payload.digest), value: encodeStored(payload) };
}
