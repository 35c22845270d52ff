import fs from 'node:fs';

/** What a process, this one unless said otherwise, has open at or below `path`, one entry for each descriptor. */
export function openDescriptors(path: string, pid: number | 'self' = 'self'): string[] {
  const targets = fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return targets.filter((target) => target === path || target.startsWith(`${path}/`));
}
