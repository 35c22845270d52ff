import { CasError } from '../errors.js';
import type { Documents } from './documents.js';
import { kindOf, type ManifestList, type Reference } from './manifest.js';

/** How deep indexes may lie in indexes, and how many descriptors may be looked at from one entry of index.json. */
const DEEPEST = 8;
const MOST = 10_000;

/** Something on the way down from a descriptor: an index, what is none, or what cannot be told. */
export interface Descended {
  readonly reference: Reference;
  readonly index?: ManifestList;
  /** Why it cannot be told what there is below. */
  readonly fault?: CasError;
}

/**
 * Goes down from a descriptor through indexes, in their order: each thing once, whatever leads to it how often. Of what
 * a descriptor says to be a manifest nothing is read.
 * @throws CasError IMAGE_INVALID where there is too much; the system's errors
 */
export async function* descend(
  documents: Documents,
  from: Reference,
  depth = 0,
  seen = new Set<string>(),
): AsyncGenerator<Descended> {
  if (seen.has(from.digest)) return;
  seen.add(from.digest);
  if (seen.size > MOST)
    throw new CasError('IMAGE_INVALID', { subject: from.digest, expected: `at most ${MOST} manifests` });
  const found = await look(documents, from, depth);
  yield found;
  for (const one of found.index?.manifests ?? []) yield* descend(documents, one, depth + 1, seen);
}

async function look(documents: Documents, reference: Reference, depth: number): Promise<Descended> {
  const kind = kindOf(reference);
  if (kind === 'manifest' || kind === 'other') return { reference };
  try {
    const document = await documents.document(reference);
    if (document.kind === 'manifest') return { reference };
    if (depth < DEEPEST) return { reference, index: document };
    throw new CasError('IMAGE_INVALID', {
      subject: reference.digest,
      expected: `at most ${DEEPEST} indexes in each other`,
    });
  } catch (fault) {
    if (fault instanceof CasError) return { reference, fault };
    throw fault;
  }
}
