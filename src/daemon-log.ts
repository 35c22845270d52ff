import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { bind } from '../store/libc.js';
import type { Configuration } from './configuration.js';
import { Failure, messageOf, MOUNT_EXIT } from './failure.js';
import { createLog, type Log } from './log.js';

/** The log of a running daemon. */
export interface DaemonLog {
  readonly log: Log;
  /** Whether it goes to standard error, as the messages of a failing start do. */
  readonly onStandardError: boolean;
  /** Opens the file again under its name, for whoever has moved it away. */
  readonly reopen: () => void;
  /** Sends standard output and error there too: what Node says when it dies. */
  readonly adoptStandardStreams: () => void;
}

/**
 * Opens the log: the file that was named, else standard error in the foreground and `cas-mount.log` in the store in
 * the background.
 * @throws Failure naming the file
 */
export function openDaemonLog({ root, foreground, logFile, logFormat, logLevel }: Configuration): DaemonLog {
  const file = logFile ?? (foreground ? undefined : path.join(root, 'cas-mount.log'));
  const fd = file === undefined ? 2 : openLogFile(file);
  const onStandardError = file === undefined;
  const format = logFormat ?? (onStandardError && process.stderr.isTTY ? 'pretty' : 'json');
  const dup2 = bind('int dup2(int, int)');
  return {
    onStandardError,
    log: createLog(fd, { level: logLevel, format }),
    reopen: () => {
      if (file === undefined) return;
      const fresh = openLogFile(file);
      dup2(fresh, fd);
      closeSync(fresh);
    },
    adoptStandardStreams: () => {
      for (const standard of [1, 2]) dup2(fd, standard);
    },
  };
}

function openLogFile(file: string): number {
  try {
    return openSync(file, 'a', 0o600);
  } catch (error) {
    throw new Failure(
      MOUNT_EXIT.system,
      `${file}: the log file cannot be opened: ${messageOf(error)}`,
      error,
    );
  }
}
