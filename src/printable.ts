/** Control, format (bidi among them) and line-separator characters, lone surrogates, and the escape sign itself. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\\]/u;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

/**
 * Text that may come from users, made safe for a log line or a terminal: what could move the cursor, break the line
 * or turn its direction is escaped as in C, and at most `limit` characters remain, cut out of the middle.
 */
export function printable(text: string, limit = 256): string {
  if (text.length <= limit && !UNSAFE.test(text)) return text;
  // No piece is shorter than its character, so more than `limit` from either end can never be shown.
  const ends = text.length > 2 * limit + 2 ? text.slice(0, limit + 1) + text.slice(-limit - 1) : text;
  const pieces = Array.from(ends, escape);
  if (pieces.reduce((sum, piece) => sum + piece.length, 0) <= limit) return pieces.join('');
  const tail = Math.floor(limit / 3);
  return `${fill(pieces, limit - tail - 1)}…${fill(pieces.reverse(), tail, true)}`;
}

/** As many whole pieces as fit into `room`. */
function fill(pieces: readonly string[], room: number, backwards = false): string {
  const taken: string[] = [];
  let length = 0;
  for (const piece of pieces) {
    if ((length += piece.length) > room) break;
    taken.push(piece);
  }
  return (backwards ? taken.reverse() : taken).join('');
}

function escape(character: string): string {
  if (!UNSAFE.test(character)) return character;
  const short = SHORT[character];
  if (short !== undefined) return short;
  const hex = (character.codePointAt(0) ?? 0).toString(16);
  return hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`;
}
