import fs from 'node:fs';

/** What this process has open at or below `path`, one entry for each descriptor. */
export function openDescriptors(path: string): string[] {
  const targets = fs.readdirSync('/proc/self/fd').map((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return targets.filter((target) => target === path || target.startsWith(`${path}/`));
}
