import type { Configuration, Invocation } from './configuration.js';
import { FAULT_ROUTES, ROUTES } from './control/routes.js';
import { type DaemonLog, openDaemonLog } from './daemon-log.js';
import { Failure, messageOf, MOUNT_EXIT } from './failure.js';
import { parsePlatform } from '../store/images/platform.js';
import type { Report } from '../store/report.js';
import { findHolders } from './holders.js';
import { keepHouse } from './housekeeping.js';
import { installLastResort } from './last-resort.js';
import { errorFields } from './log.js';
import { watchLogLevel } from './log-level.js';
import { prepareMountpoint } from './mountpoint.js';
import { openFreeStore } from './open-free-store.js';
import { canonicalPath } from './paths.js';
import { writePidFile } from './pid-file.js';
import { probe } from './probe.js';
import { mountStore, type Service } from './service.js';
import { notifyServiceManager } from './service-manager.js';
import { Shutdown } from './shutdown.js';
import { EndRequests, takeOrders } from './signals.js';
import { chooseTransport } from './transports.js';

/** How long, in milliseconds, a fresh mount may take to answer: where the machine is busy, seconds are short. */
const PATIENCE = 60_000;

/** What one run of the daemon goes by. */
interface Run {
  readonly configuration: Configuration;
  readonly invocation: Invocation;
  readonly daemonLog: DaemonLog;
  readonly endRequests: EndRequests;
  /** What is open and must be closed, last first. */
  readonly closers: (() => unknown)[];
}

/**
 * Mounts and serves until the mount is gone. `ready` is called when it answers.
 * @throws Failure or CasError; nothing is left mounted then
 */
export async function serve(
  given: Configuration,
  invocation: Invocation,
  ready: () => Promise<void>,
): Promise<void> {
  // Whoever starts us shall not decide the modes of files, nor have a directory kept busy.
  process.umask(0o022);
  process.chdir('/');
  const transport = chooseTransport(given.transport);
  const mountpoint = await prepareMountpoint(given);
  const configuration = { ...given, mountpoint, root: canonicalPath(given.root) };
  const { sync, verify, checkpoint, expireNamed, expireTemporary } = configuration;
  const limits = { size: configuration.layerSize, entries: configuration.layerEntries };
  const expiry = { named: expireNamed, temporary: expireTemporary };
  let report: Report | undefined;
  const store = await openFreeStore(configuration.root, {
    sync,
    verify,
    checkpoint,
    expiry,
    limits,
    ...(configuration.platform !== undefined && { platform: parsePlatform(configuration.platform) }),
    report: (event) => report?.(event),
  });
  const closers: Run['closers'] = [() => store.close()];
  try {
    const daemonLog = openDaemonLog(configuration);
    const { log } = daemonLog;
    report = ({ level, message, fields }) => log[level](fields, message);
    let service: Service | undefined;
    installLastResort(log, () => service?.abort());
    const endRequests = new EndRequests();
    try {
      service = await mountStore(store, configuration, transport, log);
      await attend({ configuration, invocation, daemonLog, endRequests, closers }, service, ready);
    } catch (error) {
      if (!daemonLog.onStandardError) log.error(errorFields(error), 'ending');
      throw error;
    }
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Answers to signals and to the control socket until the mount is gone. */
async function attend(run: Run, service: Service, ready: () => Promise<void>): Promise<void> {
  const { configuration, daemonLog } = run;
  const { mountpoint, root, kernelOptions, foreground } = configuration;
  const { log } = daemonLog;
  const { transport, passthrough } = service.mounted;
  const broken = service.mounted.ended.then(
    () => undefined,
    (error: unknown) => error,
  );
  process.on('exit', () => service.abort());
  const shutdown = new Shutdown(service, log, () => findHolders(mountpoint));
  run.endRequests.handle((reason) => shutdown.request(reason));
  takeOrders(service, daemonLog, run.invocation);
  try {
    await openForUsers(run, service);
    await ready();
  } catch (error) {
    service.abort();
    await broken;
    throw error;
  }
  if (!foreground) daemonLog.adoptStandardStreams();
  notify('READY=1', daemonLog);
  run.closers.push(keepHouse(service.store, log));
  log.info({ mountpoint, store: root, transport, passthrough, options: kernelOptions }, 'mounted');

  const error = await broken;
  notify('STOPPING=1', daemonLog);
  if (error !== undefined && !shutdown.requested) {
    const message = `${mountpoint}: the connection to the kernel broke: ${messageOf(error)}`;
    throw new Failure(MOUNT_EXIT.system, message, error);
  }
  log.info({ mountpoint }, 'unmounted');
}

/** Opens what users expect beside the mount, and sees that the mount answers. */
async function openForUsers(
  { configuration: { mountpoint, config, pidFile }, invocation, daemonLog: { log }, closers }: Run,
  service: Service,
): Promise<void> {
  const answering = probe(mountpoint, PATIENCE);
  // fastify takes 80 ms to load: while the mount is asked, and not before.
  const { openControl } = await import('./control/server.js');
  const faults = invocation.env['CAS_MOUNT_TEST_FAULTS'] === '1' ? FAULT_ROUTES : [];
  const control = await openControl(service, [...ROUTES, ...faults], log);
  closers.push(() => control.close());
  if (pidFile !== undefined) closers.push(writePidFile(pidFile));
  if (config !== undefined) closers.push(await watchLogLevel(log, invocation, config));
  if ((await answering) !== 'answers') {
    throw new Failure(MOUNT_EXIT.mount, `${mountpoint}: the mount does not answer`);
  }
}

function notify(state: 'READY=1' | 'STOPPING=1', { log }: DaemonLog): void {
  try {
    notifyServiceManager(state);
  } catch (error) {
    log.warn(errorFields(error), 'the service manager cannot be told');
  }
}
