import { CasError } from '../errors.js';
import { type Ref, refWithin } from '../ref.js';
import type { Ingests } from './ingests.js';

type Tree = Pick<Ingests, 'children' | 'get' | 'sharedPath' | 'makeDirectory' | 'removeDirectory' | 'rename'>;

/**
 * Gives a directory another path, with all that is in it; an empty one that stands there is replaced. A crash
 * in the middle leaves some names moved and others not, each ingest whole.
 * @throws CasError REF_TOO_LONG where anything in it would have too long a path, before anything is moved;
 *   DIRECTORY_NOT_EMPTY, INGEST_EXISTS for what stands there
 */
export async function renameDirectory(ingests: Tree, from: Ref, to: Ref): Promise<void> {
  if (ingests.sharedPath(from) !== undefined) throw new CasError('INGEST_SHARED', { subject: from });
  checkPaths(ingests, from, to);
  await move(ingests, from, to);
}

function checkPaths(ingests: Tree, from: Ref, to: Ref): void {
  if (Buffer.byteLength(to) <= Buffer.byteLength(from)) return;
  for (const [name, named] of ingests.children(from)) {
    const target = refWithin(to, name);
    if (named === 'directory') checkPaths(ingests, refWithin(from, name), target);
  }
}

async function move(ingests: Tree, from: Ref, to: Ref): Promise<void> {
  if (ingests.get(to) === 'directory') await ingests.removeDirectory(to);
  await ingests.makeDirectory(to);
  for (const [name, named] of [...ingests.children(from)]) {
    const [source, target] = [refWithin(from, name), refWithin(to, name)];
    await (named === 'directory' ? move(ingests, source, target) : ingests.rename(named, target));
  }
  await ingests.removeDirectory(from);
}
