import { constants } from 'node:os';
import test from 'ava';
import { CasError, codeIn, type ErrorCode, ERRORS } from '../../store/errors.js';

test('every code has an errno that the system knows, and a meaning in words', (t) => {
  for (const [code, [errno, meaning]] of Object.entries(ERRORS)) {
    t.true(Object.hasOwn(constants.errno, errno), `${code}: ${errno}`);
    t.regex(meaning, /^[a-z].*[a-z0-9]$/, code);
    t.is(new CasError(code as ErrorCode).errno, errno);
  }
});

test('a message says what it is about, what it means, and what was expected and found', (t) => {
  t.is(new CasError('BLOB_NOT_FOUND').message, 'the store has no such blob');
  t.is(new CasError('BLOB_NOT_FOUND', { subject: 'x' }).message, 'x: the store has no such blob');
  t.is(
    new CasError('SIZE_MISMATCH', { subject: 'x', expected: 5, found: 0 }).message,
    'x: the size is not the declared one: expected 5, found 0',
  );
  t.is(
    new CasError('STORE_LOCKED', { found: 'process 1' }).message,
    'another process has the store open: found process 1',
  );
});

test('an error carries its code, its cause, and the errno of the system where it passes one on', (t) => {
  const cause = new Error('below');
  const error = new CasError('STORE_UNREADABLE', { subject: '/x', errno: 'ENOSPC', cause });
  t.like(error, { name: 'CasError', code: 'STORE_UNREADABLE', errno: 'ENOSPC', subject: '/x', cause });
  t.false('cause' in new CasError('INGEST_BUSY'));
  t.true(error instanceof Error);
});

test('a message tells its code, whatever it is about', (t) => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    t.is(codeIn(new CasError(code).message), code);
    t.is(codeIn(new CasError(code, { subject: 'a: b', expected: 1, found: 2 }).message), code);
  }
  t.is(codeIn('ENOSPC: no space left on device, write'), undefined);
  t.is(codeIn(''), undefined);
});
