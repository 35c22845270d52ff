import { writeSync } from 'node:fs';
import { pino, stdTimeFunctions } from 'pino';
import { CasError } from '../store/errors.js';
import { prettyLine } from './log-pretty.js';
import type { LOG_LEVELS } from './options.js';
import { printable } from './printable.js';

export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a line tells besides its message. */
export type Fields = Readonly<Record<string, unknown>>;

/** One event, one line. Messages are constant phrases; what varies, and all that comes from users, goes into fields. */
export type Log = Readonly<Record<LogLevel, (fields: Fields, message: string) => void>> & {
  level: string;
  isLevelEnabled(level: LogLevel): boolean;
};

/** How a log is written. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
}

/** A log on an open descriptor. Lines are written at once, so that the last one before a crash is there. */
export function createLog(fd: number, { level, format }: LogOptions): Log {
  const write = (line: string): void => {
    try {
      writeSync(fd, format === 'pretty' ? prettyLine(line) : line);
    } catch {
      // A full disk or a closed terminal costs the line, not the daemon.
    }
  };
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => safe(fields) as Record<string, unknown>,
    },
  };
  return pino(options, { write });
}

/** An error as fields: `code`, `errno`, `subject`, `expected`, `found` where it has them, and `error`, its message. */
export function errorFields(error: unknown): Fields {
  if (error instanceof CasError) {
    const { code, errno, subject, expected, found, message } = error;
    return { code, errno, subject, expected, found, error: message };
  }
  if (!(error instanceof Error)) return { error: String(error) };
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  return {
    ...(syscall === undefined ? { code } : { errno: code, syscall }),
    subject: path,
    error: error.message,
  };
}

/** Stack traces are longer than names, and made by no user. */
const LONGEST: Readonly<Record<string, number>> = { stack: 4096, error: 1024 };

function safe(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return printable(value, LONGEST[key]);
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map((item) => safe(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, safe(field, name)]));
}
