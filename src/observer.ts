import type { Observer } from '../fs/transport/transport.js';
import { CasError, type ErrorCode } from '../store/errors.js';
import { errorFields, type Log, type LogLevel } from './log.js';
import type { Statistics } from './statistics.js';

/** Requests that take longer, in milliseconds, are logged, and if even longer by default. */
const SLOW = 1000;
const STUCK = 10_000;

/** Refusals that say that content is wrong or lost. The others are a caller's mistake, or its way of asking. */
const GRAVE: ReadonlySet<ErrorCode> = new Set([
  'DIGEST_MISMATCH',
  'SIZE_MISMATCH',
  'INDEX_DAMAGED',
  'INDEX_INVALID',
  'INGEST_FAILED',
  'HASH_STATE_INVALID',
  'LAYER_DAMAGED',
  'LAYER_INVALID',
  'LAYER_TOO_LARGE',
  'ZSTD_MISSING',
]);

/** Errors of the disk below. */
const DISK = new Set(['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** Counts what a transport reports, and logs of it what somebody should know. */
export function observe(statistics: Statistics, log: Log): Observer {
  const refused = (operation: string, error: unknown): void => {
    const level = levelOf(error);
    if (log.isLevelEnabled(level)) log[level]({ operation, ...errorFields(error) }, 'request refused');
  };
  return {
    answered: (operation, errno, milliseconds, error) => {
      statistics.answered(operation, errno, milliseconds);
      if (error !== undefined) refused(operation, error);
      if (milliseconds > SLOW) {
        const level = milliseconds > STUCK ? 'warn' : 'debug';
        log[level]({ operation, milliseconds: Math.round(milliseconds) }, 'request was slow');
      }
    },
    defect: (operation, error) => {
      statistics.defect();
      log.error(
        { operation, ...errorFields(error), stack: error instanceof Error ? error.stack : undefined },
        'defect',
      );
    },
  };
}

function levelOf(error: unknown): LogLevel {
  if (error instanceof CasError) return GRAVE.has(error.code) ? 'warn' : 'debug';
  const { code, syscall } = error as NodeJS.ErrnoException;
  return syscall !== undefined && DISK.has(code ?? '') ? 'error' : 'debug';
}
