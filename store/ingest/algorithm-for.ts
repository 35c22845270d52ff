import { type Algorithm, algorithmOf, isAlgorithm } from '../digest.js';
import { nameIn, parentOf } from '../ref.js';
import type { IngestRecord } from './record.js';

/** The algorithm an ingest is hashed with before its digest is named: the declared one's, its directory's, or sha256. */
export function algorithmFor({ ref, expected }: Pick<IngestRecord, 'ref' | 'expected'>): Algorithm {
  if (expected !== undefined) return algorithmOf(expected);
  const parent = parentOf(ref);
  const directory = nameIn(parent);
  return parentOf(parent) === '/blobs' && isAlgorithm(directory) ? directory : 'sha256';
}
