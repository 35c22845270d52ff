import stringWidth from 'string-width';

const graphemes = new Intl.Segmenter();

/** How many columns of a terminal a text takes. */
export function widthOf(text: string): number {
  // Plain ASCII needs no tables.
  return /^[\x20-\x7e]*$/.test(text) ? text.length : stringWidth(text);
}

/** The text followed by blanks, or cut in its middle, so that it takes `width` columns. */
export function fitted(text: string, width: number): string {
  const cut = shortened(text, width);
  return cut + ' '.repeat(Math.max(0, width - widthOf(cut)));
}

/** The text, with `…` in place of its middle where it takes more than `width` columns. */
export function shortened(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width < 1) return '';
  const pieces = Array.from(graphemes.segment(text), ({ segment }) => segment);
  const tail = taken([...pieces].reverse(), Math.floor((width - 1) / 3)).reverse();
  const head = taken(pieces, width - 1 - widthOf(tail.join('')));
  return `${head.join('')}…${tail.join('')}`;
}

/** As many of the pieces as fit. */
function taken(pieces: readonly string[], width: number): string[] {
  let room = width;
  const end = pieces.findIndex((piece) => (room -= widthOf(piece)) < 0);
  return pieces.slice(0, end < 0 ? pieces.length : end);
}
