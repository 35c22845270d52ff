import { CasError } from '../errors.js';

/** How strerror(3) of glibc and of musl ends the texts that LevelDB passes on, for what is wrong around a database. */
const TEXTS: readonly (readonly [errno: string, text: RegExp])[] = [
  ['ENOSPC', /: No space left on device$/],
  ['EDQUOT', /: (Disk q|Q)uota exceeded$/],
  ['EFBIG', /: File too large$/],
  ['EMFILE', /: (Too many open files|No file descriptors available)$/],
  ['ENFILE', /: Too many open files in system$/],
  ['ENOMEM', /: (Cannot allocate|Out of) memory$/],
  ['EACCES', /: Permission denied$/],
  ['EROFS', /: Read-only file system$/],
];
const UNREADABLE = /: (Input\/output|I\/O) error$/;

/**
 * What a failure of the database means. METADATA_DAMAGED: it can only be made anew. METADATA_UNAVAILABLE, with the
 * system's errno: it may be as it should, and can be tried again. What cannot be read back (EIO) is damaged; what
 * could not be written may not be.
 */
export function failureOf(error: unknown, doing: 'reading' | 'writing', subject: string): CasError {
  if (error instanceof CasError) return error;
  const { code = '', syscall, message } = root(error);
  const unavailable = (errno: string): CasError =>
    new CasError('METADATA_UNAVAILABLE', { subject, errno, found: message, cause: error });
  if (syscall !== undefined && code !== 'EIO') return unavailable(code);
  if (code === 'LEVEL_LOCKED') return unavailable('EBUSY');
  if (/_NOT_OPEN$|^LEVEL_ABORTED$/.test(code)) return unavailable('EIO');
  const known = TEXTS.find(([, text]) => text.test(message));
  if (known) return unavailable(known[0]);
  if (doing === 'writing' && (code === 'EIO' || UNREADABLE.test(message))) return unavailable('EIO');
  return new CasError('METADATA_DAMAGED', { subject, found: message, cause: error });
}

/** abstract-level says that the database is not open, and why as its cause. */
function root(error: unknown): NodeJS.ErrnoException {
  if (!(error instanceof Error)) return new Error(String(error));
  return error.cause instanceof Error ? root(error.cause) : error;
}
