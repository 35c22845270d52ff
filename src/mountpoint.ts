import { opendirSync, realpathSync, statSync } from 'node:fs';
import { mounts, type Mount } from '../fs/mounts.js';
import type { Configuration } from './configuration.js';
import { Failure, messageOf, MOUNT_EXIT } from './failure.js';
import { OUR_TYPE } from './mount-type.js';
import { canonicalPath, isWithin } from './paths.js';
import { PinnedMount } from './pinned-mount.js';
import { probe } from './probe.js';

/** How long, in milliseconds, what is mounted at the mountpoint may take to answer: where the machine is busy, seconds are short. */
const PATIENCE = 10_000;

/**
 * Makes sure that `mountpoint` can be mounted on: what a killed daemon of ours left there is unmounted. Never hangs.
 * @returns the canonical path
 * @throws Failure saying what is in the way
 */
export async function prepareMountpoint(configuration: Configuration): Promise<string> {
  const { mountpoint, nonempty } = configuration;
  if ((await probe(mountpoint, PATIENCE)) === 'hangs') throw refusal(mountpoint, hanging(mountpoint));
  const canonical = attempt(mountpoint, () => realpathSync.native(mountpoint));
  await removeDeadMounts(canonical);
  const stats = attempt(mountpoint, () => statSync(canonical));
  if (!stats.isDirectory()) throw refusal(mountpoint, 'the mountpoint is not a directory');
  refuseOverlap(canonical, configuration);
  if (!nonempty && !isEmpty(canonical)) {
    throw refusal(
      mountpoint,
      'the mountpoint is not empty; use another, or -o nonempty to hide what is in it',
    );
  }
  return canonical;
}

async function removeDeadMounts(mountpoint: string): Promise<void> {
  for (;;) {
    const pinned = attempt(mountpoint, () => PinnedMount.at(mountpoint));
    if (pinned === undefined) return;
    try {
      if (!isDeadAndOurs(mountpoint, pinned)) return;
      await pinned.detach();
    } finally {
      pinned.close();
    }
  }
}

/** @throws Failure where a dead mount is not ours to remove, or one of ours lives */
function isDeadAndOurs(mountpoint: string, { mount, isDead }: PinnedMount): boolean {
  if (mount.type === OUR_TYPE) {
    if (!isDead) throw refusal(mountpoint, `the store ${mount.source} is already mounted there`);
    return true;
  }
  if (!isDead) return false;
  throw refusal(
    mountpoint,
    `a dead mount of ${mount.type} is there; remove it with: fusermount3 -u ${mountpoint}`,
  );
}

/** A path of ours below the mountpoint would be served by ourselves once mounted: we would wait for our own answer. */
function refuseOverlap(mountpoint: string, { root, config, logFile, pidFile }: Configuration): void {
  const store = canonicalPath(root);
  if (isWithin(mountpoint, store)) throw refusal(mountpoint, `the mountpoint is inside the store ${store}`);
  const files = {
    'the store': root,
    'the configuration': config,
    'the log file': logFile,
    'the pid file': pidFile,
  };
  for (const [name, file] of Object.entries(files)) {
    if (file !== undefined && isWithin(canonicalPath(file), mountpoint)) {
      throw refusal(mountpoint, `${name} ${file} is inside the mountpoint`);
    }
  }
}

function isEmpty(directory: string): boolean {
  const entries = attempt(directory, () => opendirSync(directory));
  try {
    return entries.readSync() === null;
  } finally {
    entries.closeSync();
  }
}

function hanging(mountpoint: string): string {
  // The path may not be looked at; as it was typed it is right unless it leads through links.
  const mount = mounts().findLast((candidate: Mount) => isWithin(mountpoint, candidate.mountpoint));
  return `the mountpoint does not answer: the daemon of ${mount?.type ?? 'its filesystem'} hangs`;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'the mountpoint does not exist; make it with mkdir',
  ENOTDIR: 'the mountpoint is not a directory',
  EACCES: 'permission denied',
};

function attempt<T>(mountpoint: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw refusal(mountpoint, REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error));
  }
}

function refusal(mountpoint: string, reason: string): Failure {
  return new Failure(MOUNT_EXIT.mount, `${mountpoint}: ${reason}`);
}
