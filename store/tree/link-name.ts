import type { ByteText } from '../tar/entry.js';

/** The name of a shared inode in the table of them: its number, big-endian in 8 bytes, so that order is by number. */
export function linkName(link: number): ByteText {
  const name = Buffer.allocUnsafe(8);
  name.writeBigUInt64BE(BigInt(link));
  return name.toString('latin1');
}
