import { isAlgorithm } from '../store/digest.js';
import { CasError } from '../store/errors.js';
import { FixedDirectory } from './fixed-directory.js';
import type { Name, Node } from './node.js';
import type { TreeContext } from './tree.js';

/** `blobs/`: one directory for each algorithm, and no others. */
export class BlobsDirectory extends FixedDirectory {
  override readonly frozen = false;

  constructor(context: TreeContext, children: Readonly<Record<string, Node>>) {
    super('/blobs', 0o777 & ~context.umask, context.owner, children);
  }

  /** Tools make `blobs/<algorithm>` before they write; all that may be made are there already. */
  mkdir(name: Name): never {
    throw new CasError(isAlgorithm(name) ? 'DIRECTORY_EXISTS' : 'ALGORITHM_UNKNOWN', { subject: name });
  }

  create(name: Name): never {
    throw new CasError('ALGORITHM_UNKNOWN', { subject: name });
  }

  /** Modes, owners and times are taken without effect: tar, rsync and `cp -a` set them once a whole layout is copied. */
  setattr(): void {
    return undefined;
  }
}
