import { CasError } from '../errors.js';
import { safeJson } from '../json.js';
import type { ByteText } from './entry.js';

/** How much of a name an error shows. */
const SHOWN = 200;

/** The header that is being read, for errors: its offset in the tar and, once it is known, its name. */
export interface Place {
  readonly offset: number;
  readonly name?: ByteText | undefined;
}

/** The error for bytes that are no tar, or one that we refuse. What they hold must be {@link quoted}. */
export function invalid(place: Place, expected: string, found?: string | number): CasError {
  return new CasError('LAYER_INVALID', {
    subject: subject(place),
    expected,
    ...(found === undefined ? {} : { found }),
  });
}

/** The error for a tar that exceeds a limit. `what` is the limited thing with its unit. */
export function tooLarge(place: Place, limit: number, what: string, found: number): CasError {
  return new CasError('LAYER_TOO_LARGE', {
    subject: subject(place),
    expected: `at most ${limit} ${what}`,
    found,
  });
}

/** Bytes of a tar for a message: no control characters, and not too long. */
export function quoted(value: ByteText): string {
  return safeJson(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value);
}

function subject({ offset, name }: Place): string {
  return `tar offset ${offset}${name === undefined ? '' : `, ${quoted(name)}`}`;
}
