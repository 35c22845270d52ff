import { CasError, type ErrorCode } from '../store/errors.js';
import { printable } from './printable.js';

/** Exit codes of cas-mount; those of mount(8) where it has one. */
export const MOUNT_EXIT = { ok: 0, usage: 1, system: 2, noStore: 10, locked: 11, mount: 32 } as const;

/** Exit codes of cas. */
export const TOOL_EXIT = { ok: 0, failure: 1, usage: 2, noStore: 10, locked: 11, interrupted: 130 } as const;

/** A failure that ends the program with one line on standard error: what, about which path, what to do. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exit: number;

  constructor(exit: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exit = exit;
  }
}

const STORE_EXITS: Partial<Record<ErrorCode, number>> = {
  STORE_LOCKED: MOUNT_EXIT.locked,
  STORE_FORMAT: MOUNT_EXIT.noStore,
  STORE_INVALID: MOUNT_EXIT.noStore,
  STORE_UNREADABLE: MOUNT_EXIT.noStore,
};

/** The exit code for anything thrown; `otherwise` where the error itself names none. */
export function exitOf(error: unknown, otherwise: number): number {
  if (error instanceof Failure) return error.exit;
  if (error instanceof CasError) return STORE_EXITS[error.code] ?? otherwise;
  return otherwise;
}

/** What anything thrown says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same in one line that is safe on a terminal. */
export function lineOf(error: unknown): string {
  return printable(messageOf(error), 1024);
}
