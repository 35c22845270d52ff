import { closeSync, fstatSync, readSync } from 'node:fs';
import { bind } from '../../../store/libc.js';

const STANDARD_ERROR = 2;
const F_DUPFD_CLOEXEC = 1030;

const fcntl = bind('int fcntl(int fd, int command, int argument)');
const dup2 = bind('int dup2(int from, int to)');
const memfd = bind('int memfd_create(const char *name, unsigned int flags)');

/**
 * Runs `action`, and returns with its result what it and its children wrote on standard error. libfuse and
 * fusermount tell of failures in no other way.
 */
export function overhear<T>(action: () => T): { result: T; said: string } {
  const original = fcntl(STANDARD_ERROR, F_DUPFD_CLOEXEC, STANDARD_ERROR + 1);
  const heard = memfd('standard error', 1);
  try {
    dup2(heard, STANDARD_ERROR);
    let result: T;
    try {
      result = action();
    } finally {
      dup2(original, STANDARD_ERROR);
    }
    const bytes = Buffer.alloc(fstatSync(heard).size);
    readSync(heard, bytes, 0, bytes.length, 0);
    return { result, said: bytes.toString().trim() };
  } finally {
    closeSync(heard);
    closeSync(original);
  }
}
