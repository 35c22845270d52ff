/** How the bytes of a layer are compressed; `tar` for not at all. */
export type Format = 'tar' | 'gzip' | 'zstd';

/** How many bytes tell the format. */
export const MAGIC_SIZE = 4;

/** RFC 1952, 2.3.1: ID1, ID2 and CM, of which 8 is the only method there is. */
const GZIP = Buffer.from([0x1f, 0x8b, 8]);
/** RFC 8878, 3.1.1: 0xFD2FB528, little-endian. */
const ZSTD = 0xfd2fb528;
/** RFC 8878, 3.1.2: a skippable frame begins with one of sixteen numbers. */
const ZSTD_SKIPPABLE = 0x184d2a50;

/**
 * The format that the first {@link MAGIC_SIZE} bytes of a layer tell. The media type does not count: Docker's says
 * tar for compressed layers too. Whatever has no magic of a compression is taken for a tar.
 */
export function formatOf(head: Buffer): Format {
  if (head.subarray(0, GZIP.length).equals(GZIP)) return 'gzip';
  if (head.length < MAGIC_SIZE) return 'tar';
  const magic = head.readUInt32LE();
  return magic === ZSTD || (magic & ~0xf) === ZSTD_SKIPPABLE ? 'zstd' : 'tar';
}
