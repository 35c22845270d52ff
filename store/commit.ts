import type { Blobs } from './blobs.js';
import { algorithmOf, type Digest } from './digest.js';
import { commitCopy } from './commit-copy.js';
import { CasError } from './errors.js';
import { fchmod, fstat, lstat } from './files.js';
import { checkDigest, checkSize } from './ingest/check.js';
import type { Ingest } from './ingest/ingest.js';
import { stillWritten, takeBack } from './ingest/loan.js';
import { placeBlob } from './place-blob.js';
import { setTimes } from './times.js';

const READ_ONLY = 0o444;

/** What a commit claims. */
export interface Claim {
  readonly digest: Digest;
  /** The size in bytes, where it is known. */
  readonly size?: number;
  /** Leaves the ingest's data file in place as a second name of the blob, as link(2) does. */
  readonly keep?: boolean;
}

/** What {@link commit} needs to know of the other ingests. */
export interface CommitContext {
  /** No other commit could come soon and share a sync. */
  readonly alone: boolean;
  /** Removes what is left of the ingest; `moved` tells that its data file is elsewhere already. */
  readonly drop: (moved: boolean) => Promise<void>;
}

/**
 * Turns an ingest into a blob, or refuses and leaves it as it was, resumable.
 *
 * 1. Seal: no write is accepted from here on, and those under way are waited for.
 * 2. Size: the file has the claimed and the declared size. Else SIZE_MISMATCH.
 * 3. Digest: of all bytes, with the claimed name's algorithm; the declared digest must hold too. Else DIGEST_MISMATCH.
 *    Where it is not proven that nobody else can write the file, 4 to 6 are done with a copy of it, which is verified.
 * 4. Data: durable, or such that step 6 cannot become durable without it (an error is final for this ingest);
 *    meanwhile mode 0444.
 * 5. Times: mtime is the time of the commit.
 * 6. Name: renamed (or linked) into `blobs/`, never over another file. A blob that is there already holds the same
 *    bytes, since the digest was verified: the ingest has done its duty. One of another size was damaged from
 *    outside and is replaced.
 * 7. Directory: the name is durable. An error here leaves a right blob under its name that may not survive a
 *    power cut; the caller gets the error. The ingest has gone into the blob, unless that was there already.
 * 8. Drop: what is left of the ingest is removed; before 7 where names become durable in order, so that one journal
 *    commit has it all. What a failure leaves is removed when the store is next opened.
 *
 * A crash before 6 leaves the ingest, after it the blob; in between there is nothing. Up to 6 every failure unseals.
 * What a crash leaves of 4 and 8 is undone or finished when the ingests are next loaded.
 * @returns whether the blob is new
 * @throws CasError SIZE_MISMATCH, DIGEST_MISMATCH, INGEST_FAILED, INGEST_SEALED; the system's own errors
 */
export async function commit(
  ingest: Ingest,
  blobs: Blobs,
  claim: Claim,
  context: CommitContext,
): Promise<boolean> {
  const { digest } = claim;
  await ingest.seal();
  let ours: boolean;
  let placed: boolean;
  try {
    ours = await takeBack(ingest);
    await verify(ingest, claim);
    if (!ours && claim.keep === true) throw stillWritten(ingest);
    placed = await (ours ? publish(ingest, blobs, claim) : commitCopy(ingest, blobs, digest));
  } catch (error) {
    refuse(ingest, error);
    throw error;
  }
  const early = placed && blobs.keepsOrder;
  if (early) await context.drop(ours).catch(() => undefined);
  try {
    await blobs.sync(algorithmOf(digest), context.alone);
  } catch (error) {
    if (!placed) refuse(ingest, error);
    else if (!early) await context.drop(ours).catch(() => undefined);
    throw error;
  }
  if (!early) await context.drop(placed && ours).catch(() => undefined);
  return placed;
}

/** Steps 2 and 3. */
async function verify(ingest: Ingest, { digest, size: claimed }: Claim): Promise<void> {
  const { total, shared, expected: declared } = ingest.record;
  // containerd looks at its total when it resumes, and may commit another size.
  for (const size of [claimed, shared ? undefined : total]) checkSize(ingest, size);
  for (const expected of new Set([digest, declared])) await checkDigest(ingest, expected);
}

function refuse(ingest: Ingest, error: unknown): void {
  ingest.refused(error instanceof Error ? error.message : String(error));
  ingest.unseal();
}

/** Steps 4 to 6; a failure gives the permissions back. */
async function publish(ingest: Ingest, blobs: Blobs, { digest, keep = false }: Claim): Promise<boolean> {
  const fd = await ingest.open();
  const mode = Number(fstat(fd).mode) & 0o777;
  const readOnly = mode === READ_ONLY ? Promise.resolve() : makeReadOnly(ingest, fd, mode);
  try {
    await Promise.all([ingest.sync(), readOnly]);
    setTimes(fd, 'now', 'now');
    checkFile(ingest, fd);
    const placed = await placeBlob(blobs, digest, { from: ingest.record.data, size: ingest.size, keep });
    if (keep && mode !== READ_ONLY) await ingest.keeper.keepMode(undefined).catch(() => undefined);
    return placed;
  } catch (error) {
    await readOnly.then(() => makeWritable(ingest, fd, mode)).catch(() => undefined);
    throw error;
  }
}

/** After a crash the permissions are given back. */
async function makeReadOnly(ingest: Ingest, fd: number, mode: number): Promise<void> {
  await ingest.keeper.keepMode(mode);
  await fchmod(fd, READ_ONLY);
}

async function makeWritable(ingest: Ingest, fd: number, mode: number): Promise<void> {
  if (mode === READ_ONLY) return;
  await fchmod(fd, mode);
  await ingest.keeper.keepMode(undefined);
}

/** The name is given to a path, but the bytes were verified through a descriptor: both must be the same whole file. */
function checkFile(ingest: Ingest, fd: number): void {
  const [open, named] = [fstat(fd), lstat(ingest.record.data)];
  if (named?.ino === open.ino && Number(open.size) === ingest.size) return;
  throw new CasError('INGEST_FAILED', { subject: ingest.ref, found: 'another file in its place' });
}
