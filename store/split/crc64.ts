import { createCRC64 } from 'hash-wasm';

/** A CRC-64/GO-ISO that is computed piece by piece; begins anew after each `digest`. */
export interface Crc64 {
  update(bytes: Buffer): void;
  /** Eight bytes, big-endian. */
  digest(): Buffer;
}

/** The CRC of nothing. */
export const EMPTY_CRC64: Buffer = Buffer.alloc(8);

/** CRC-64/GO-ISO, Go's `crc64.ISO`: the reflected polynomial is D800000000000000, of "123456789" it is b90956c775a41001. */
export async function crc64(): Promise<Crc64> {
  const hasher = await createCRC64('d800000000000000');
  hasher.init();
  return {
    update: (bytes) => {
      hasher.update(bytes);
    },
    digest: () => {
      const digest = Buffer.from(hasher.digest('binary'));
      hasher.init();
      return digest;
    },
  };
}
