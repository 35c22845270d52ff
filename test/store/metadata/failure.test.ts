import test from 'ava';
import { CasError } from '../../../store/errors.js';
import { systemError } from '../../../store/libc.js';
import { failureOf } from '../../../store/metadata/failure.js';

function level(code: string | undefined, message: string): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

/** As abstract-level tells of a database that did not open. */
function notOpen(cause: Error): Error {
  return Object.assign(new Error('Database failed to open', { cause }), { code: 'LEVEL_DATABASE_NOT_OPEN' });
}

const IO = 'LEVEL_IO_ERROR';

for (const [error, doing, expected] of [
  [level(IO, 'IO error: /s/000003.log: No space left on device'), 'writing', 'METADATA_UNAVAILABLE ENOSPC'],
  [level(IO, 'IO error: /s/000003.log: Disk quota exceeded'), 'writing', 'METADATA_UNAVAILABLE EDQUOT'],
  [notOpen(level(IO, 'IO error: /s/x: Too many open files')), 'reading', 'METADATA_UNAVAILABLE EMFILE'],
  [notOpen(level('LEVEL_LOCKED', 'IO error: lock /s/LOCK: x')), 'reading', 'METADATA_UNAVAILABLE EBUSY'],
  [
    notOpen(level(IO, 'IO error: /s/MANIFEST-1: No such file or directory')),
    'reading',
    'METADATA_DAMAGED EIO',
  ],
  [notOpen(level('LEVEL_CORRUPTION', 'Corruption: x')), 'reading', 'METADATA_DAMAGED EIO'],
  [notOpen(level(undefined, 'Invalid argument: /s: does not exist')), 'reading', 'METADATA_DAMAGED EIO'],
  [level(IO, 'IO error: /s/000003.log: Input/output error'), 'writing', 'METADATA_UNAVAILABLE EIO'],
  [level(IO, 'IO error: /s/000005.ldb: Input/output error'), 'reading', 'METADATA_DAMAGED EIO'],
  [level(IO, 'IO error: /s/000005.ldb: Invalid argument'), 'reading', 'METADATA_DAMAGED EIO'],
  // Only the end of a text is what the system says: what is before it is a path.
  [level(IO, 'IO error: /No space left on device/1: Input/output error'), 'reading', 'METADATA_DAMAGED EIO'],
  [level('LEVEL_ITERATOR_NOT_OPEN', 'Iterator is not open'), 'reading', 'METADATA_UNAVAILABLE EIO'],
  [systemError('write', 28), 'writing', 'METADATA_UNAVAILABLE ENOSPC'],
  [systemError('fdatasync', 5), 'writing', 'METADATA_UNAVAILABLE EIO'],
  [systemError('read', 5), 'reading', 'METADATA_DAMAGED EIO'],
] as const) {
  const text = error.cause instanceof Error ? error.cause.message : error.message;
  test(`${text}, when ${doing}, is ${expected}`, (t) => {
    const { code, errno, subject } = failureOf(error, doing, '/s');
    t.deepEqual([`${code} ${errno}`, subject], [expected, '/s']);
  });
}

test('what is known already stays as it is', (t) => {
  const error = new CasError('METADATA_DAMAGED', { found: 'x' });
  t.is(failureOf(error, 'reading', '/s'), error);
});
