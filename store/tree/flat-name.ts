import type { ByteText } from '../tar/entry.js';

/** V8 makes a piece of this many characters refer to the text that it was cut from, and keeps all of that alive. */
const REFERRING = 13;

const scratch = Buffer.allocUnsafeSlow(256);

/** The same name as a string of its own, to be kept. */
export function flatName(name: ByteText): ByteText {
  if (name.length < REFERRING || name.length > scratch.length) return name;
  return scratch.toString('latin1', 0, scratch.write(name, 'latin1'));
}
