import { constants } from 'node:os';
import { CasError } from '../store/errors.js';

/** Symbolic errnos that this host knows. */
export type Errno = keyof typeof constants.errno | 'ENODATA' | 'ENOTSUP';

/** A refusal by the filesystem layer itself, where the errno says all there is to say. */
export class FsError extends Error {
  override readonly name = 'FsError';
  readonly errno: Errno;

  constructor(errno: Errno, message: string = errno) {
    super(message);
    this.errno = errno;
  }
}

const numbers: Readonly<Record<string, number>> = constants.errno;

/** The number of a symbolic errno; EIO for one this host does not know. */
export function errnoNumber(errno: string): number {
  return numbers[errno] ?? constants.errno.EIO;
}

/**
 * The positive errno for anything thrown: CasError and FsError carry it, Node's system errors have it negated.
 * Undefined for anything else, which is a defect and must be logged; the caller gets EIO.
 */
export function errnoOf(error: unknown): number | undefined {
  if (error instanceof CasError || error instanceof FsError) return errnoNumber(error.errno);
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number' && 'syscall' in error) {
    return Math.abs(error.errno);
  }
  return undefined;
}

/** The symbolic errno for anything thrown; undefined as for {@link errnoOf}. */
export function symbolOf(error: unknown): Errno | undefined {
  const number = errnoOf(error);
  return Object.keys(numbers).find((symbol) => numbers[symbol] === number) as Errno | undefined;
}

/**
 * What is told to who looks at an image whose layers cannot be had: what went wrong is in the log once, and with the image,
 * so he gets the errno alone. Who has given up, and a defect, get the error as it is.
 */
export function bare(error: unknown, { aborted }: AbortSignal): unknown {
  const errno = aborted ? undefined : symbolOf(error);
  return errno === undefined ? error : new FsError(errno, error instanceof Error ? error.message : errno);
}
