import type { FileSystem } from '../fs/filesystem.js';
import type { Mounted, Transport } from '../fs/transport/transport.js';
import { mountTree } from '../fs/tree.js';
import type { Report } from '../store/report.js';
import type { Store } from '../store/store.js';
import type { Configuration } from './configuration.js';
import type { Status } from './control/protocol.js';
import { Failure, messageOf, MOUNT_EXIT } from './failure.js';
import type { Log } from './log.js';
import { mountWithViews } from './mount-with-views.js';
import { observe } from './observer.js';
import { Statistics } from './statistics.js';
import { VERSION } from './version.js';

/** A store that is mounted. */
export interface Service {
  readonly store: Store;
  readonly mounted: Mounted;
  /** {@link Mounted.abort}, but only while it is mounted: its connection number may be another mount's afterwards. */
  abort(): void;
  /** How it is at this moment. */
  status(): Status;
}

/**
 * Mounts an open store.
 * @throws Failure with what the system says
 */
export async function mountStore(
  store: Store,
  configuration: Configuration,
  transport: Transport,
  log: Log,
): Promise<Service> {
  const { mountpoint, kernelOptions } = configuration;
  const started = new Date();
  const statistics = new Statistics();
  let mounted: Mounted | undefined = undefined;
  const status = (): Status => ({
    version: VERSION,
    pid: process.pid,
    started: started.toISOString(),
    mountpoint,
    transport: transport.name,
    passthrough: mounted?.passthrough ?? false,
    store: { path: store.root, format: store.format, sync: configuration.sync },
    counts: { ...countsOf(filesystem), pending: mounted?.pending ?? 0 },
    memory: memoryUsage(),
    defects: statistics.defects,
    operations: statistics.operations(),
  });
  const tree = mountTree(store, {
    ...ownership(configuration),
    layerBlobs: configuration.layerBlobs,
    version: VERSION,
    stats: status,
  });
  const { filesystem } = tree;
  const request = { mountpoint, source: store.root, options: kernelOptions };
  const observer = observe(statistics, log);
  const report: Report = ({ level, message, fields }) => log[level](fields, message);
  const mount = await mountWithViews(tree, transport, request, observer, report).catch((error: unknown) => {
    throw new Failure(MOUNT_EXIT.mount, `${mountpoint}: mounting failed: ${messageOf(error)}`, error);
  });
  mounted = mount;
  let ended = false;
  const tellEnded = (): boolean => (ended = true);
  mount.ended.then(tellEnded, tellEnded);
  const abort = (): void => {
    if (!ended) mount.abort();
  };
  return { store, mounted: mount, status, abort };
}

function ownership({ uid, gid, umask }: Configuration): { uid?: number; gid?: number; umask?: number } {
  return {
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    ...(umask !== undefined && { umask }),
  };
}

function countsOf({ inodes, files, directories }: FileSystem): Omit<Status['counts'], 'pending'> {
  return { inodes: inodes.size, files: files.size, directories: directories.size };
}

function memoryUsage(): Status['memory'] {
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed, external };
}
