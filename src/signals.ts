import type { Invocation } from './configuration.js';
import type { DaemonLog } from './daemon-log.js';
import { errorFields } from './log.js';
import { rereadLogLevel } from './log-level.js';
import type { Service } from './service.js';

/** Takes SIGTERM and SIGINT from now on; those that come before anybody can act on them are kept. */
export class EndRequests {
  readonly #early: string[] = [];
  #act: ((reason: string) => void) | undefined;

  constructor() {
    const take = (signal: NodeJS.Signals): void => {
      if (this.#act) this.#act(signal);
      else this.#early.push(signal);
    };
    process.on('SIGTERM', take).on('SIGINT', take);
  }

  /** `act` is called for each, also for those kept. */
  handle(act: (reason: string) => void): void {
    this.#act = act;
    this.#early.splice(0).forEach(act);
  }
}

/** SIGUSR1 logs statistics; SIGHUP opens the log file again and finds the log level anew. */
export function takeOrders(service: Service, { log, reopen }: DaemonLog, invocation: Invocation): void {
  process.on('SIGUSR1', () => {
    const { counts, memory, defects, operations } = service.status();
    log.info({ counts, memory, defects, operations }, 'statistics');
  });
  process.on('SIGHUP', () => {
    try {
      reopen();
    } catch (error) {
      log.error(errorFields(error), 'the log file cannot be opened again');
    }
    rereadLogLevel(log, invocation);
  });
}
