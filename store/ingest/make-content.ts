import type { Algorithm } from '../digest.js';
import { Checkpoints } from './checkpoints/checkpoints.js';
import { Content } from './content.js';
import type { ContentOwner } from './content-owner.js';
import type { DataFile } from './data-file.js';
import type { HashPolicy } from './hash-policy.js';
import { Progress } from './progress.js';

/** What the content of an ingest is made of. */
export interface ContentParts {
  readonly file: DataFile;
  /** What its digest is kept with before it is named. */
  readonly algorithm: Algorithm;
  readonly policy: HashPolicy;
  /** How many bytes an earlier run says it has hashed; undefined where no earlier run had it. */
  readonly saved: number | undefined;
}

/** Puts the content of an ingest together: its file, the hash of what is in it, and the saved states of that. */
export function makeContent({ file, algorithm, policy, saved }: ContentParts, owner: ContentOwner): Content {
  const checkpoints = new Checkpoints(algorithm, owner.directory);
  const progress = new Progress(algorithm, file.size, (offset) => checkpoints.best(offset));
  return new Content(file, progress, checkpoints, owner, policy, saved === undefined);
}
