import { once } from 'node:events';
import { configure, type Invocation } from './configuration.js';
import { errorFields, type Log } from './log.js';

/** When, in milliseconds, a changed file is read: it is written in steps, and chokidar tells one change in 50 ms. */
const SETTLE = 100;

/** Finds the log level again as at the start, and sets it. What cannot be read leaves it as it is. */
export function rereadLogLevel(log: Log, invocation: Invocation): void {
  try {
    const configuration = configure(invocation);
    if (typeof configuration === 'string' || configuration.logLevel === log.level) return;
    log.level = configuration.logLevel;
    log.info({ level: configuration.logLevel }, 'log level changed');
  } catch (error) {
    log.warn(errorFields(error), 'the configuration cannot be used; the log level stays');
  }
}

/** Does so whenever the configuration file changes, until the function it returns is called. */
export async function watchLogLevel(
  log: Log,
  invocation: Invocation,
  file: string,
): Promise<() => Promise<void>> {
  const { watch } = await import('chokidar');
  const watcher = watch(file, { ignoreInitial: true });
  let settling: NodeJS.Timeout | undefined;
  watcher.on('all', () => {
    clearTimeout(settling);
    settling = setTimeout(() => rereadLogLevel(log, invocation), SETTLE);
  });
  watcher.on('error', (error) => log.warn(errorFields(error), 'the configuration file is no longer watched'));
  await once(watcher, 'ready');
  return () => {
    clearTimeout(settling);
    return watcher.close();
  };
}
