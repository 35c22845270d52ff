import type { ExecutionContext } from 'ava';
import type { Mount } from '../e2e/mount.js';
import { run } from '../src/process/site.js';
import { sourceOf } from './compile.js';

/** What writers say to have been acknowledged: they append to these files in the mount's scratch directory. */
export interface Acknowledged {
  /** Lines `<digest> <size>`, one for each commit. */
  readonly acked: string;
  /** Lines `<bytes> <digest> <source> <ref>`, one for each ingest. */
  readonly ingests: string;
}

export function acknowledgedIn(mount: Mount): Acknowledged {
  return { acked: `${mount.scratch}/acked`, ingests: `${mount.scratch}/ingests` };
}

/**
 * Asserts what verify.sh checks: of the store on disk, with no code of the project. `full`: the disk has been full,
 * and ingests may have no directory yet.
 */
export async function verify(t: ExecutionContext, mount: Mount, when: string, full = false): Promise<void> {
  const { acked, ingests } = acknowledgedIn(mount);
  const args = [sourceOf('verify.sh'), mount.site.store, 'acked', acked, 'ingests', ingests];
  if (full) args.push('fresh', 'yes');
  const { code, stdout, stderr } = await run('bash', args);
  t.is(code, 0, `${when}: ${stdout}${stderr}`);
}
