import { UNSAFE } from './unsafe.js';

/** JSON in which no value can disturb a terminal; it reads back as the same. `indent`: as for JSON.stringify. */
export function safeJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, undefined, indent).replace(UNSAFE, (character) =>
    // With an indent, JSON itself has line breaks; those of values it has escaped already.
    character === '\n' ? character : escaped(character),
  );
}

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`,
  ).join('');
}
