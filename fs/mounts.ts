import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** One line of /proc/self/mountinfo. */
export interface Mount {
  /** No other mount has it as long as this one, or a descriptor of a file in it, is there. */
  readonly id: number;
  readonly mountpoint: string;
  /** Such as `ext4` or `fuse.cas-mount`. */
  readonly type: string;
  /** What is mounted: a device, or whatever the filesystem put there. */
  readonly source: string;
  /** The device number that stat shows as st_dev. */
  readonly major: number;
  readonly minor: number;
}

/** Parses the text of mountinfo, read as latin1 so that any bytes survive. See proc_pid_mountinfo(5). */
export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ');
      const optional = fields.indexOf('-', 6);
      const [major = 0, minor = 0] = (fields[2] ?? '').split(':').map(Number);
      return {
        id: Number(fields[0]),
        mountpoint: unescape(fields[4]),
        type: unescape(fields[optional + 1]),
        source: unescape(fields[optional + 2]),
        major,
        minor,
      };
    });
}

/** Every mount that this process sees, in the order in which later ones cover earlier ones. */
export function mounts(): Mount[] {
  return parseMounts(readFileSync('/proc/self/mountinfo', 'latin1'));
}

/**
 * The topmost mount on `path`, undefined where nothing is mounted. Only the directory above is looked at: to touch
 * a mount whose daemon is gone, or is this process, may fail or hang.
 */
export function mountAt(path: string): Mount | undefined {
  const mountpoint = canonical(path);
  return mounts().findLast((mount) => mount.mountpoint === mountpoint);
}

/** The {@link Mount.id} of the mount that an open file is in; see proc_pid_fdinfo(5). */
export function mountIdOf(fd: number): number {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  return Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]);
}

function canonical(path: string): string {
  const above = dirname(path);
  return above === path ? path : join(realpathSync(above), basename(path));
}

/** Space, tab, newline and backslash come as three octal digits. */
function unescape(field = ''): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
