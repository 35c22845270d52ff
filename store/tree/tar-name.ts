import { CasError } from '../errors.js';
import type { ByteText } from '../tar/entry.js';

/** Components of a path from the root; none is the root itself. */
export type Components = readonly ByteText[];

/** What the name of a tar entry says, as the OCI image-spec has it and as AUFS had it. */
export type TarName =
  /** A name to be seen. */
  | { readonly kind: 'path'; readonly components: Components }
  /** Hides that path of the layers below. */
  | { readonly kind: 'whiteout'; readonly components: Components }
  /** Hides all that the layers below have in that directory. */
  | { readonly kind: 'opaque'; readonly components: Components }
  /** A file that is seen only through hard links to it. */
  | { readonly kind: 'pseudo-link'; readonly components: Components }
  /** Never seen. */
  | { readonly kind: 'hidden' };

/** What the name of a whiteout begins with. */
export const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const AUFS = '.wh..wh.';
const PSEUDO_LINKS = '.wh..wh.plnk';

/** Bytes of a name that Linux allows (NAME_MAX), and of a path (PATH_MAX). */
export const NAME_LIMIT = 255;
export const PATH_LIMIT = 4096;

/**
 * Reads the name of a tar entry or the target of a hard link. A leading `/`, `//`, `.` and a trailing `/` mean nothing;
 * `..` takes away the component before it, as text.
 * @throws CasError LAYER_INVALID where it leaves the root or is a whiteout of nothing, ENAMETOOLONG where a component is
 * too long; LAYER_TOO_LARGE where the path is
 */
export function readTarName(name: ByteText): TarName {
  const components = cleaned(name);
  const last = components.at(-1);
  if (last === undefined || !name.includes(WHITEOUT)) return { kind: 'path', components };
  const root = components[0] ?? last;
  if (root.startsWith(AUFS) && !(components.length === 1 && last === OPAQUE)) {
    return root === PSEUDO_LINKS && components.length > 1
      ? { kind: 'pseudo-link', components }
      : { kind: 'hidden' };
  }
  const parents = components.slice(0, -1);
  if (parents.some((parent) => parent.startsWith(WHITEOUT))) return { kind: 'hidden' };
  if (last === OPAQUE) return { kind: 'opaque', components: parents };
  if (!last.startsWith(WHITEOUT)) return { kind: 'path', components };
  const hidden = last.slice(WHITEOUT.length);
  if (hidden === '' || hidden === '.' || hidden === '..')
    throw invalidName(name, 'a whiteout of a name', last);
  return { kind: 'whiteout', components: [...parents, hidden] };
}

/** @throws CasError LAYER_INVALID where the file system could not have it */
export function checkName(name: ByteText): void {
  if (name.length > NAME_LIMIT) {
    throw new CasError('LAYER_INVALID', {
      subject: JSON.stringify(name),
      errno: 'ENAMETOOLONG',
      expected: `at most ${NAME_LIMIT} bytes`,
      found: name.length,
    });
  }
  if (name.includes('\0')) throw invalidName(name, 'no NUL', 'NUL');
}

function cleaned(name: ByteText): ByteText[] {
  if (name.length > PATH_LIMIT) {
    const subject = JSON.stringify(name.slice(0, NAME_LIMIT));
    throw new CasError('LAYER_TOO_LARGE', { subject, expected: PATH_LIMIT, found: name.length });
  }
  const components: ByteText[] = [];
  for (const component of name.split('/')) {
    if (component === '' || component === '.') continue;
    if (component !== '..') {
      checkName(component);
      components.push(component);
    } else if (components.pop() === undefined) {
      throw invalidName(name, 'a path inside the root', '..');
    }
  }
  return components;
}

function invalidName(name: ByteText, expected: string, found: string): CasError {
  return new CasError('LAYER_INVALID', { subject: JSON.stringify(name), expected, found });
}
