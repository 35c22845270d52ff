import fs from 'node:fs';

/**
 * The kernel's name for this boot, a UUID. What was written in the same boot is in the page cache or on the disk,
 * whatever has been killed since; after another boot only what was synced is sure.
 */
export function bootId(): string {
  known ??= fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return known;
}

let known: string | undefined;
