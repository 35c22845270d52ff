/** Every failure that cas-mount itself decides on: its stable code, the errno a system call returns, and what it means. */
export const ERRORS = {
  ALGORITHM_UNKNOWN: ['EINVAL', 'the algorithm is none of sha256, sha512, blake3'],
  ARCHIVE_INVALID: ['EBADMSG', 'the bytes cannot be an archive of images'],
  ARCHIVE_TOO_LARGE: ['EFBIG', 'the archive exceeds a limit'],
  BLOB_DAMAGED: ['EIO', 'the blob is not what its name says'],
  BLOB_EXISTS: ['EEXIST', 'the blob is already in the store'],
  BLOB_HELD: ['EBUSY', 'an image of index.json needs the blob'],
  BLOB_IMMUTABLE: ['EROFS', 'committed content cannot be changed'],
  BLOB_NOT_FOUND: ['ENOENT', 'the store has no such blob'],
  DIRECTORY_EXISTS: ['EEXIST', 'the directory is already there'],
  DIRECTORY_NOT_EMPTY: ['ENOTEMPTY', 'the directory is not empty'],
  DIRECTORY_NOT_FOUND: ['ENOENT', 'there is no such directory'],
  DIGEST_INVALID: ['EINVAL', 'the name is not a digest'],
  DIGEST_MISMATCH: ['EBADMSG', 'the bytes are not what the name says'],
  EXPECTATION_INVALID: ['EINVAL', 'the declared digest or size cannot be read'],
  FILE_UNREACHABLE: ['EACCES', 'the daemon cannot open the file that it is to write'],
  HASH_STATE_INVALID: ['EINVAL', 'the saved hash state cannot be used'],
  IMAGE_INCOMPLETE: ['ENOENT', 'a part of the image is missing'],
  IMAGE_INVALID: ['EBADMSG', 'this is no image that can be read'],
  IMAGE_NAME_INVALID: ['EINVAL', 'the image cannot have this name'],
  IMAGE_NOT_FOUND: ['ENOENT', 'index.json has no such image'],
  INDEX_DAMAGED: ['EIO', 'the index of images cannot be read'],
  INDEX_INVALID: ['EBADMSG', 'the text cannot be an index of images'],
  INGEST_BUSY: ['EBUSY', 'another writer holds the ingest'],
  INGEST_DAMAGED: ['EIO', 'bytes that were written are not there any more'],
  INGEST_EXISTS: ['EEXIST', 'the ingest is already there'],
  INGEST_FAILED: ['EIO', 'an earlier write or sync of this ingest failed'],
  INGEST_NOT_FOUND: ['ENOENT', 'there is no such ingest'],
  INGEST_SHARED: ['EXDEV', 'what containerd keeps of an ingest stays where it is'],
  INGEST_SEALED: ['EBADF', 'the ingest was committed while this handle was open'],
  LAYOUT_INVALID: ['EBADMSG', 'the text cannot be that of an image layout'],
  LAYER_AMBIGUOUS: ['EINVAL', 'several layers begin with these digits'],
  LAYER_DAMAGED: ['EIO', 'the layer cannot be read back as it was'],
  LAYER_HELD: ['EBUSY', 'the layer is in use'],
  LAYER_INVALID: ['EBADMSG', 'the bytes cannot be a layer'],
  LAYER_NOT_FOUND: ['ENOENT', 'the store has no such layer'],
  LAYER_NOT_HELD: ['EINVAL', 'the layer is not held by this holder'],
  LAYER_TOO_DEEP: ['EMLINK', 'a chain has at most 125 layers'],
  LAYER_TOO_LARGE: ['EFBIG', 'the layer exceeds a limit'],
  METADATA_DAMAGED: ['EIO', 'the metadata database is damaged'],
  METADATA_UNAVAILABLE: ['EIO', 'the metadata database cannot be used'],
  OFFSET_INVALID: ['EINVAL', 'the offset or size is out of range'],
  PLATFORM_NOT_FOUND: ['ENOENT', 'the image has nothing for the platform'],
  READER_CLOSED: ['EBADF', 'the reader is closed'],
  REF_INVALID: ['EINVAL', 'the name cannot be an ingest reference'],
  REF_NOT_UTF8: ['EILSEQ', 'the name is not valid UTF-8'],
  REF_TOO_LONG: ['ENAMETOOLONG', 'the name is too long'],
  SIZE_MISMATCH: ['EBADMSG', 'the size is not the declared one'],
  STACK_EXISTS: ['EEXIST', 'the stack is already there'],
  STACK_INVALID: ['EINVAL', 'the name cannot be that of a stack'],
  STACK_NOT_FOUND: ['ENOENT', 'there is no such stack'],
  STORE_FORMAT: ['EPROTO', 'the store was written by an unknown version'],
  STORE_INVALID: ['ENOTDIR', 'the path cannot be a store'],
  STORE_LOCKED: ['EBUSY', 'another process has the store open'],
  STORE_UNREADABLE: ['EACCES', 'the store cannot be read or written'],
  TAR_SPLIT_MISMATCH: ['EBADMSG', 'the tar-split is that of another tar'],
  ZSTD_MISSING: ['EOPNOTSUPP', 'reading zstd needs libzstd.so.1, on Debian of the package libzstd1'],
} as const satisfies Record<string, readonly [errno: string, meaning: string]>;

/** A stable error code, the key of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;

/** The code of the failure that a message tells of; undefined where it is none of ours. */
export function codeIn(message: string): ErrorCode | undefined {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  return codes.find((code) => `: ${message}: `.includes(`: ${ERRORS[code][1]}: `));
}

/** What an error is about; every field that is known is shown in the message. */
export interface ErrorDetail {
  /** The path, ref or digest concerned. */
  readonly subject?: string;
  readonly expected?: string | number | bigint;
  readonly found?: string | number | bigint;
  /** Replaces the errno of the table, for failures that pass on the system's own. */
  readonly errno?: string;
  readonly cause?: unknown;
}

/** A failure with a stable code, an errno, its subject, and what was expected and found. */
export class CasError extends Error {
  override readonly name = 'CasError';
  readonly code: ErrorCode;
  /** The symbolic errno that a system call returns for it, such as `EBADMSG`. */
  readonly errno: string;
  readonly subject: string | undefined;
  readonly expected: string | number | bigint | undefined;
  readonly found: string | number | bigint | undefined;

  constructor(code: ErrorCode, detail: ErrorDetail = {}) {
    super(describe(code, detail), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.errno = detail.errno ?? ERRORS[code][0];
    this.subject = detail.subject;
    this.expected = detail.expected;
    this.found = detail.found;
  }
}

/** Whether `error` is a {@link CasError} with that code. */
export function isCasError(error: unknown, code: ErrorCode): error is CasError {
  return error instanceof CasError && error.code === code;
}

/** The same failure, said to be about `subject` and, in that, about what it was about before. */
export function aboutSubject(error: CasError, subject: string): CasError {
  const { code, errno, expected, found } = error;
  return new CasError(code, {
    subject: error.subject === undefined ? subject : `${subject}: ${error.subject}`,
    errno,
    ...(expected !== undefined && { expected }),
    ...(found !== undefined && { found }),
    cause: error,
  });
}

function describe(code: ErrorCode, { subject, expected, found }: ErrorDetail): string {
  const facts = [
    expected === undefined ? undefined : `expected ${expected}`,
    found === undefined ? undefined : `found ${found}`,
  ].filter((fact) => fact !== undefined);
  return [subject, ERRORS[code][1], facts.join(', ')].filter((part) => part).join(': ');
}
