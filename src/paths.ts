import { realpathSync } from 'node:fs';
import path from 'node:path';

/** Whether `inner` is `outer` or stands below it. Both are absolute and canonical. */
export function isWithin(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith('/') ? outer : `${outer}/`);
}

/**
 * The canonical form of a path of which the last parts need not be there yet; what may not be looked at stays as it is,
 * and whoever opens it will say so. realpath(3) asks nothing of a filesystem that is mounted at the path, so a dead one
 * does no harm; Node's own version does.
 */
export function canonicalPath(file: string): string {
  try {
    return realpathSync.native(file);
  } catch {
    const above = path.dirname(file);
    return above === file ? file : path.join(canonicalPath(above), path.basename(file));
  }
}
