// The file system that everything in a run is measured on.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onExit } from './cleanup.mjs';
import { quietly, run } from './run.mjs';

/**
 * A directory on a freshly made ext4 on a loop device, all of whose blocks have been written once;
 * without root, or with `directory`, a new directory there. Returns { base, disk, note }:
 * `base` is for mountpoints and logs, `disk` is what is measured.
 */
export async function makeDisk({ directory, gibibytes }) {
  const base = mkdtempSync(join(tmpdir(), 'cas-bench-'));
  chmodSync(base, 0o755);
  onExit(() => rmSync(base, { recursive: true, force: true }));
  if (directory || process.getuid() !== 0) {
    const disk = mkdtempSync(join(directory ?? tmpdir(), 'cas-bench-disk-'));
    chmodSync(disk, 0o755);
    onExit(() => rmSync(disk, { recursive: true, force: true }));
    return { base, disk, note: `${disk}, not a fresh file system: figures depend on its history` };
  }
  const image = join(base, 'image');
  const { bavail, bsize } = statfsSync(base);
  if (bavail * bsize < (gibibytes + 1) * 2 ** 30) {
    throw new Error(`${base} has less than ${gibibytes + 1} GiB free: set TMPDIR or use --disk DIRECTORY`);
  }
  await run(['dd', 'if=/dev/zero', `of=${image}`, 'bs=1M', `count=${gibibytes * 1024}`, 'conv=fsync'], {
    seconds: 300,
  });
  // Discarding would punch the holes that writing has just filled.
  const extended = 'nodiscard,lazy_itable_init=0,lazy_journal_init=0';
  await run(['mkfs.ext4', '-q', '-F', '-i', '8192', '-E', extended, image]);
  const disk = join(base, 'disk');
  mkdirSync(disk);
  await run(['mount', '-o', 'loop,noatime', image, disk]);
  onExit(() => quietly(['umount', disk]) || quietly(['umount', '-l', disk]));
  return { base, disk, note: `ext4 on a loop device, ${gibibytes} GiB, noatime` };
}

/** Writes back what is dirty, so that one measurement does not pay for the one before. */
export function settle(context) {
  return run(['sync', '-f', context.disk]);
}

/** Lets the kernel forget what it holds: pages (1), names and inodes (2), or both (3). Needs root. */
export async function dropCaches(context, what = 3) {
  await settle(context);
  writeFileSync('/proc/sys/vm/drop_caches', String(what));
}
