/** Bytes that look random and are the same for the same seed (xorshift32). */
export function seededBytes(size: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(Math.ceil(size / 4) * 4);
  let state = (seed * 2654435761) | 1;
  for (let at = 0; at < bytes.length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, at);
  }
  return bytes.subarray(0, size);
}
