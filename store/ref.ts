import { CasError } from './errors.js';

declare const brand: unique symbol;

/**
 * The name of an ingest: `job/layer.tar` for what is written below `ingest/`, `/blobs/sha256/.tmp` (the path in
 * the mount) for a file that is created elsewhere. Never part of a path on disk; see {@link keyOf} in records.
 */
export type Ref = string & { readonly [brand]: 'Ref' };

/** NAME_MAX, in bytes, for each component. */
const COMPONENT_MAX = 255;
/** PATH_MAX less the terminating NUL, in bytes, for the whole. */
const REF_MAX = 4095;

const FORBIDDEN = /[\x00-\x1f\x7f/]/;

/** Half of a surrogate pair, which has no UTF-8: written down, different ones would become the same U+FFFD. */
const ILL_FORMED = /\p{Surrogate}/u;

/**
 * One component of a ref: 1 to 255 bytes of UTF-8 without control characters or `/`, and neither `.` nor `..`.
 * @throws CasError REF_INVALID, REF_NOT_UTF8, REF_TOO_LONG
 */
export function checkComponent(name: string): void {
  if (Buffer.byteLength(name) > COMPONENT_MAX) {
    throw new CasError('REF_TOO_LONG', {
      subject: name.slice(0, 64),
      expected: `at most ${COMPONENT_MAX} bytes`,
    });
  }
  if (ILL_FORMED.test(name)) throw new CasError('REF_NOT_UTF8', { subject: name });
  if (name === '' || name === '.' || name === '..' || FORBIDDEN.test(name)) {
    throw new CasError('REF_INVALID', { subject: name, expected: 'no control characters, "/", "." or ".."' });
  }
}

/**
 * Parses a ref, checking every component.
 * @throws CasError REF_INVALID, REF_NOT_UTF8, REF_TOO_LONG
 */
export function parseRef(text: string): Ref {
  const path = text.startsWith('/') ? text.slice(1) : text;
  for (const component of path.split('/')) checkComponent(component);
  if (Buffer.byteLength(text) > REF_MAX) {
    throw new CasError('REF_TOO_LONG', { subject: text.slice(0, 64), expected: `at most ${REF_MAX} bytes` });
  }
  return text as Ref;
}

/** The ref of `name` inside the directory `parent`; the directory `ingest/` itself is the empty string. */
export function refWithin(parent: string, name: string): Ref {
  checkComponent(name);
  return parseRef(parent === '' || parent.endsWith('/') ? `${parent}${name}` : `${parent}/${name}`);
}

/** The directory part of a ref: `''` for a plain name, `/` for a plain name outside `ingest/`. */
export function parentOf(ref: string): string {
  const slash = ref.lastIndexOf('/');
  if (slash < 0) return '';
  return slash === 0 ? '/' : ref.slice(0, slash);
}

/** The last component of a ref. */
export function nameIn(ref: string): string {
  return ref.slice(ref.lastIndexOf('/') + 1);
}
