import { setTimeout as sleep } from 'node:timers/promises';
import { CasError } from '../errors.js';
import type { Ref } from '../ref.js';
import type { Ingest } from './ingest.js';

/*
 * A file that is lent is written by the kernel without us (FUSE passthrough). It is hashed when it is ours alone again,
 * and nothing of it is saved before. Only what tools make outside `ingest/` is lent: nobody resumes it.
 */

/**
 * How long, in milliseconds, a writer is waited for again and again that may be gone: the kernel tells of a close(2) after
 * it has returned, and lets go of the file below after that.
 */
const PAUSES = [1, 2, 8, 30];

/** Whether what stands at a ref may be lent, or may have been by an earlier run. */
export function mayBeLent(ref: Ref): boolean {
  return ref.startsWith('/');
}

/**
 * Lets the kernel write the file of an ingest that is open and that nobody has written so far.
 * @returns a descriptor that stands for it, and cannot write; undefined where it cannot be lent
 */
export function lend({ ref, isOpen, content: { file } }: Ingest): number | undefined {
  if (!isOpen || !mayBeLent(ref) || file.openFd === undefined || file.size > 0) return undefined;
  try {
    return file.lend(file.openFd);
  } catch {
    // No descriptor is left: it is written through us.
    return undefined;
  }
}

/** Tries a few times, as long as a writer may be on his way out. */
export async function patiently(attempt: () => Promise<boolean>): Promise<boolean> {
  for (const pause of PAUSES) {
    if (await attempt()) return true;
    await sleep(pause);
  }
  return attempt();
}

/**
 * Takes back the file of an ingest if it is lent. Not before its writer has released it: the kernel opens the file to
 * write it some time after it was told that it may.
 * @returns false where somebody else can still write it
 */
export function takeBack(ingest: Ingest): Promise<boolean> {
  const { content } = ingest;
  return patiently(async () => !content.file.isLent || (!ingest.locked && (await content.takeBack())));
}

/** @throws CasError INGEST_BUSY where somebody else can write the file of an ingest */
export async function requireOurs(ingest: Ingest): Promise<void> {
  if (ingest.content.file.isLent && !(await ingest.using(() => takeBack(ingest)))) throw stillWritten(ingest);
}

/** The error for what cannot be done while somebody else can write the file of an ingest. */
export function stillWritten({ ref }: Ingest): CasError {
  return new CasError('INGEST_BUSY', { subject: ref, expected: 'a file that nobody has open for writing' });
}
