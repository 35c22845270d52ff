/** Control, format and line-separator characters: what could move a cursor, break a line or turn its direction. */
export const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
